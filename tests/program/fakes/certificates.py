"""Certificates made for a test by openssl, and TLS contexts that use them."""

import pathlib
import ssl
import subprocess


def openssl(*arguments) -> str:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True, timeout=30).stdout


class Authority:
    """Signs certificates; `file` is its own, for those who are to trust it."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.file = directory / "authority.pem"
        self._key = directory / "authority.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
                "-subj", "/CN=Authority of a test", "-keyout", self._key, "-out", self.file)

    def issue(self, name: str, *names: str) -> tuple[pathlib.Path, pathlib.Path]:
        """Files with a certificate for these host names and addresses, and with its key. `name` tells them apart."""
        certificate, key, request = (self.directory / f"{name}.{end}" for end in ("pem", "key", "request"))
        alternatives = ",".join(f"IP:{each}" if each[0].isdigit() or ":" in each else f"DNS:{each}" for each in names)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-addext", f"subjectAltName={alternatives}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-days", 1,
                "-copy_extensions", "copy", "-out", certificate)
        return certificate, key

    def client_context(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.file))
        if protocols:
            context.set_alpn_protocols(protocols)
        return context


def server_context(certificate: pathlib.Path, key: pathlib.Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def common_name(connection: ssl.SSLSocket) -> str:
    """Of the certificate the peer showed."""
    return next(value for part in connection.getpeercert()["subject"] for name, value in part if name == "commonName")
