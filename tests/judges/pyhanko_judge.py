"""Judges documents with pyHanko: python pyhanko_judge.py MANIFEST.

Each line of the manifest is DOCUMENT, and CONTENT or "-", with a tab between them. Each line of the
answer is "accepted", "refused" or "cannot: REASON".
"""

import hashlib
import sys
from pathlib import Path

from asn1crypto import cms
from pyhanko.sign.validation.generic_cms import validate_sig_integrity


def judge(document: bytes, content: bytes | None) -> str:
    signed_data = cms.ContentInfo.load(document, strict=True)["content"]
    encapsulated = signed_data["encap_content_info"]
    if content is None:
        content = encapsulated["content"].native
    elif encapsulated["content"].native is not None:
        return "cannot: there is a content where none should be"
    certificates = [one.chosen for one in signed_data["certificates"]]
    if not signed_data["signer_infos"]:
        return "cannot: no signers"
    for signer in signed_data["signer_infos"]:
        sid = signer["sid"].chosen
        if signer["sid"].name == "issuer_and_serial_number":
            fits = lambda one: (one.issuer, one.serial_number) == (
                sid["issuer"],
                sid["serial_number"].native,
            )
        else:
            fits = lambda one: one.key_identifier == sid.native
        (certificate,) = filter(fits, certificates)
        digest = hashlib.new(signer["digest_algorithm"]["algorithm"].native, content)
        intact, valid = validate_sig_integrity(
            signer, certificate, encapsulated["content_type"].native, digest.digest()
        )
        if not (intact and valid):
            return "refused"
    return "accepted"


def main() -> None:
    for line in Path(sys.argv[1]).read_text().splitlines():
        document, content = line.split("\t")
        content = None if content == "-" else Path(content).read_bytes()
        try:
            print(judge(Path(document).read_bytes(), content))
        except Exception as error:  # whatever it is, the next document is judged too
            print("cannot:", " ".join(repr(error).split()))


main()
