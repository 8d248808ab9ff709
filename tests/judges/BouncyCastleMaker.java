import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;

import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.CMSSignedDataStreamGenerator;
import org.bouncycastle.cms.CMSTypedData;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationStore;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * Signs documents with BouncyCastle: java -cp ... BouncyCastleMaker.java MANIFEST.
 *
 * Each line of the manifest is KEYTYPE, ALGORITHM, KEY, CERTIFICATE (both DER), CONTENT, FORM and
 * OUTPUT, with tabs between them.
 */
public class BouncyCastleMaker {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] parts = line.split("\t");
            PrivateKey key = KeyFactory.getInstance(parts[0], "BC")
                .generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(parts[2]))));
            var certificate = (X509Certificate) CertificateFactory.getInstance("X.509")
                .generateCertificate(new ByteArrayInputStream(Files.readAllBytes(Path.of(parts[3]))));
            byte[] content = Files.readAllBytes(Path.of(parts[4]));
            byte[] made = make(key, certificate, parts[1], content, parts[5]);
            Files.write(Path.of(parts[6]), made);
        }
    }

    private static byte[] make(PrivateKey key, X509Certificate certificate, String algorithm,
            byte[] content, String form) throws Exception {
        SignerInfoGenerator signer = signer(key, certificate, algorithm, form.equals("bare"));
        var certificates = new JcaCertStore(List.of(certificate));
        if (form.equals("streamed")) {
            var generator = new CMSSignedDataStreamGenerator();
            generator.setBufferSize(16);
            generator.addSignerInfoGenerator(signer);
            generator.addCertificates(certificates);
            var output = new ByteArrayOutputStream();
            try (var stream = generator.open(output, true)) {
                stream.write(content);
            }
            return output.toByteArray();
        }
        var generator = new CMSSignedDataGenerator();
        generator.addSignerInfoGenerator(signer);
        generator.addCertificates(certificates);
        CMSTypedData data = new CMSProcessableByteArray(content);
        CMSSignedData signed = generator.generate(data, !form.equals("detached"));
        if (form.equals("counter-signed")) {
            SignerInformation first = signed.getSignerInfos().iterator().next();
            SignerInformationStore counter = generator.generateCounterSigners(first);
            first = SignerInformation.addCounterSigners(first, counter);
            signed = CMSSignedData.replaceSigners(signed, new SignerInformationStore(first));
        }
        return signed.getEncoded();
    }

    private static SignerInfoGenerator signer(PrivateKey key, X509Certificate certificate,
            String algorithm, boolean bare) throws Exception {
        var digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
        return new JcaSignerInfoGeneratorBuilder(digests)
            .setDirectSignature(bare)
            .build(new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key), certificate);
    }
}
