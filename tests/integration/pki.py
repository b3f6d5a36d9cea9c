"""Certificate authorities for tests, made with the openssl command line.

    ca = Authority(folder, "ca1")
    alice = ca.issue("alice")             # alice.cert and alice.key are paths
    old = ca.issue("old", valid=("20200101000000Z", "20210101000000Z"))
    ca.revoke(alice)                      # ca.crl is written anew
"""

import pathlib
import subprocess
from typing import NamedTuple

CONFIG = """
[ca]
default_ca = ours
[ours]
database = {folder}/index.txt
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
rand_serial = yes
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = none
[any]
organizationName = optional
commonName = optional
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""

ALWAYS = ("20200101000000Z", "20490101000000Z")
PAST = ("20200101000000Z", "20210101000000Z")


class Identity(NamedTuple):
    cert: pathlib.Path
    key: pathlib.Path


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(map(str, arguments))}: {done.stderr.decode()}")
    return done.stdout.decode()


class Authority:
    def __init__(self, parent, name):
        self.folder = pathlib.Path(parent) / name
        self.folder.mkdir()
        self.config = self.folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(folder=self.folder))
        (self.folder / "index.txt").touch()
        self.ca = self.folder / "ca.pem"
        self.crl = self.folder / "crl.pem"
        openssl("req", "-x509", "-config", self.config, "-extensions", "authority", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", f"/CN={name}",
                "-keyout", self.folder / "ca.key", "-out", self.ca)
        self.write_crl()

    def issue(self, name, common_name=None, hosts=("IP:127.0.0.1", "DNS:localhost"), purpose="serverAuth,clientAuth",
              valid=ALWAYS, organization=None):
        """A certificate and its key under `name`; of the same name again it takes the place of the former."""
        subject = (f"/O={organization}" if organization else "") + f"/CN={name if common_name is None else common_name}"
        identity = Identity(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.cnf"
        extensions.write_text(f"basicConstraints=CA:FALSE\nextendedKeyUsage={purpose}\n" +
                              (f"subjectAltName={','.join(hosts)}\n" if hosts else ""))
        openssl("req", "-new", "-config", self.config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", subject, "-keyout", identity.key, "-out", request)
        openssl("ca", "-batch", "-config", self.config, "-notext", "-startdate", valid[0], "-enddate", valid[1],
                "-extfile", extensions, "-in", request, "-out", identity.cert)
        return identity

    def revoke(self, identity):
        openssl("ca", "-config", self.config, "-revoke", identity.cert)
        self.write_crl()

    def write_crl(self):
        openssl("ca", "-config", self.config, "-gencrl", "-out", self.crl)
