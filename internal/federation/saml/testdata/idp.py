"""An identity provider made with pysaml2: prints a base64 response for bob.

Usage: idp.py DIR WHAT, where DIR has key.pem, cert.pem and sp.pem (the certificate to encrypt to), and WHAT names what is
signed and encrypted: assertion, response, both, aes256-gcm, aes256-cbc, tripledes-cbc.
"""

import base64
import sys

import saml2.entity
import saml2.sigver
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server

encryptions = {
    "aes256-gcm": "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    "aes256-cbc": "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    "tripledes-cbc": "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
}


def choose_cipher(name):
    """pysaml2 7.0 knows only Triple DES; the rest of what it does is its own."""
    form, encrypt = saml2.sigver.pre_encryption_part, saml2.sigver.CryptoBackendXmlSec1.encrypt_assertion
    key = "des-192" if name == "tripledes-cbc" else "aes-256"
    for module in (saml2.entity, saml2.sigver):
        module.pre_encryption_part = lambda **more: form(msg_enc=encryptions[name], **more)
    saml2.sigver.CryptoBackendXmlSec1.encrypt_assertion = lambda self, statement, enc_key, template, _, *more: encrypt(
        self, statement, enc_key, template, key, *more
    )


directory, what = sys.argv[1], sys.argv[2]
endpoint, audience = "https://signin.aws.amazon.com/saml", "urn:amazon:webservices"
certificate = "".join(open(directory + "/sp.pem").read().split("-----")[2].split())
sp = f"""<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{audience}">
<SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" WantAssertionsSigned="true">
<KeyDescriptor use="encryption"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
<AssertionConsumerService Binding="{BINDING_HTTP_POST}" Location="{endpoint}" index="1" isDefault="true"/>
</SPSSODescriptor></EntityDescriptor>"""
algorithms = {
    "sign_alg": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "digest_alg": "http://www.w3.org/2001/04/xmlenc#sha256",
}
idp = Server(
    config=IdPConfig().load(
        {
            "entityid": "https://idp.example.com",
            "key_file": directory + "/key.pem",
            "cert_file": directory + "/cert.pem",
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "metadata": {"inline": [sp]},
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [("https://idp.example.com/sso", BINDING_HTTP_REDIRECT)]},
                    "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None}},
                }
            },
        }
    )
)
if what == "metadata":
    from saml2.metadata import entity_descriptor

    print(entity_descriptor(idp.config))
    sys.exit()
encrypted = what in encryptions
if encrypted:
    choose_cipher(what)
response = idp.create_authn_response(
    identity={"eduPersonAffiliation": ["staff", "member"], "mail": ["bob@example.com"]},
    in_response_to=None,
    destination=endpoint,
    sp_entity_id=audience,
    name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text="bob"),
    authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password", "authn_auth": "https://idp.example.com"},
    sign_assertion=what in ("assertion", "both") or encrypted,
    sign_response=what in ("response", "both") or encrypted,
    encrypt_assertion=encrypted,
    encrypt_cert_assertion=certificate if encrypted else None,
    **algorithms,
)
print(base64.b64encode(str(response).encode()).decode())
