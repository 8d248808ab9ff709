import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;

import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignerDigestMismatchException;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * Judges documents with BouncyCastle: java -cp ... BouncyCastleJudge.java CA MANIFEST.
 *
 * Each line of the manifest is DOCUMENT, and CONTENT or "-", with a tab between them. Each line of
 * the answer is "accepted", "refused" or "cannot: REASON".
 */
public class BouncyCastleJudge {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        X509Certificate ca;
        try (FileInputStream file = new FileInputStream(arguments[0])) {
            ca = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
        }
        for (String line : Files.readAllLines(Path.of(arguments[1]))) {
            String[] parts = line.split("\t");
            byte[] document = Files.readAllBytes(Path.of(parts[0]));
            byte[] content = parts[1].equals("-") ? null : Files.readAllBytes(Path.of(parts[1]));
            String answer;
            try {
                answer = judge(document, content, ca);
            } catch (Exception error) {
                answer = "cannot: " + error.toString().replaceAll("\\s+", " ");
            }
            System.out.println(answer);
        }
    }

    private static String judge(byte[] document, byte[] content, X509Certificate ca)
            throws Exception {
        CMSSignedData signed = content == null
            ? new CMSSignedData(document)
            : new CMSSignedData(new CMSProcessableByteArray(content), document);
        if (signed.getSignerInfos().size() == 0) {
            return "cannot: no signers";
        }
        for (SignerInformation signer : signed.getSignerInfos()) {
            String answer = judge(signed, signer, ca);
            for (SignerInformation witness : signer.getCounterSignatures()) {
                if (answer.equals("accepted")) {
                    answer = judge(signed, witness, ca);
                }
            }
            if (!answer.equals("accepted")) {
                return answer;
            }
        }
        return "accepted";
    }

    /** One signature, whether of the content or of another signature. */
    private static String judge(CMSSignedData signed, SignerInformation signer, X509Certificate ca)
            throws Exception {
        @SuppressWarnings("unchecked")
        var certificates = signed.getCertificates().getMatches(signer.getSID());
        var certificate = (X509CertificateHolder) certificates.iterator().next();
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        var encoded = new java.io.ByteArrayInputStream(certificate.getEncoded());
        ((X509Certificate) factory.generateCertificate(encoded)).verify(ca.getPublicKey());
        var builder = new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC");
        try {
            if (!signer.verify(builder.build(certificate))) {
                return "refused";
            }
        } catch (CMSSignerDigestMismatchException error) {
            return "refused";
        } catch (CMSException error) {
            // A signature that is no sequence of two numbers any more is a wrong one too.
            return error.getCause() instanceof java.security.SignatureException
                ? "refused" : "cannot: " + error;
        }
        return "accepted";
    }
}
