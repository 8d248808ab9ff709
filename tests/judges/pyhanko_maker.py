"""Signs documents with pyHanko: python pyhanko_maker.py MANIFEST.

Each line of the manifest is KEYTYPE, ALGORITHM, KEY, CERTIFICATE (both DER), CONTENT, FORM and OUTPUT,
with tabs between them. ALGORITHM is DIGESTwithKEY, or with "andMGF1" at its end for PSS.
"""

import asyncio
import sys
from pathlib import Path

from asn1crypto import keys, x509
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore


async def make(algorithm: str, key: bytes, certificate: bytes, content: bytes, form: str) -> bytes:
    certificate = x509.Certificate.load(certificate)
    signer = signers.SimpleSigner(
        signing_cert=certificate,
        signing_key=keys.PrivateKeyInfo.load(key),
        cert_registry=SimpleCertificateStore.from_certs([certificate]),
        prefer_pss=algorithm.endswith("andMGF1"),
    )
    digest = "sha512" if algorithm == "Ed25519" else algorithm.split("with")[0].lower()
    signed = await signer.async_sign_general_data(
        content, digest, detached=form == "detached", use_cades=form == "cades"
    )
    return signed.dump()


async def main() -> None:
    for line in Path(sys.argv[1]).read_text().splitlines():
        _, algorithm, key, certificate, content, form, output = line.split("\t")
        key, certificate, content = (Path(one).read_bytes() for one in (key, certificate, content))
        Path(output).write_bytes(await make(algorithm, key, certificate, content, form))


asyncio.run(main())
