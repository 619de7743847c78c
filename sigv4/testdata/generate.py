"""Writes botocore.json: requests of AWS's published signing test suite and more, signed by botocore.

The suite's cases carry its names. Run by hand: python3 generate.py > botocore.json. The test only reads the result.
"""
import datetime
import json
from unittest import mock
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
LONG = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# name, method, path, raw query, decoded parameters, headers, body, token
CASES = [
    ("get-vanilla", "GET", "/", "", [], [], "", ""),
    ("get-vanilla-query", "GET", "/", "Param1=value1", [("Param1", "value1")], [], "", ""),
    ("get-vanilla-empty-query-key", "GET", "/", "Param1=value1", [("Param1", "value1")], [], "", ""),
    ("get-vanilla-query-order-key", "GET", "/", "Param1=value2&Param1=Value1", [("Param1", "value2"), ("Param1", "Value1")], [], "", ""),
    ("get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", [("Param2", "value2"), ("Param1", "value1")], [], "", ""),
    ("get-vanilla-query-order-value", "GET", "/", "Param1=value2&Param1=value1", [("Param1", "value2"), ("Param1", "value1")], [], "", ""),
    ("get-vanilla-query-order-encoded", "GET", "/", "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
     [("Param-3", "Value3"), ("Param", "Value2"), ("\u1234", "Value1")], [], "", ""),
    ("get-vanilla-query-unreserved", "GET", "/", f"{UNRESERVED}={UNRESERVED}", [(UNRESERVED, UNRESERVED)], [], "", ""),
    ("get-vanilla-utf8-query", "GET", "/", "\u1234=bar", [("\u1234", "bar")], [], "", ""),
    ("get-unreserved", "GET", "/" + UNRESERVED, "", [], [], "", ""),
    ("get-utf8", "GET", "/\u1234", "", [], [], "", ""),
    ("get-space-normalized", "GET", "/example space/", "", [], [], "", ""),
    ("get-slash-normalized", "GET", "//", "", [], [], "", ""),
    ("get-slash-dot-slash-normalized", "GET", "/./", "", [], [], "", ""),
    ("get-slash-pointless-dot-normalized", "GET", "/./example", "", [], [], "", ""),
    ("get-slashes-normalized", "GET", "//example//", "", [], [], "", ""),
    ("get-relative-normalized", "GET", "/example/..", "", [], [], "", ""),
    ("get-relative-relative-normalized", "GET", "/example1/example2/../..", "", [], [], "", ""),
    ("get-header-key-duplicate", "GET", "/", "", [], [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")], "", ""),
    ("get-header-value-multiline", "GET", "/", "", [], [("My-Header1", "value1\n  value2\n     value3")], "", ""),
    ("get-header-value-order", "GET", "/", "", [], [("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3"), ("My-Header1", "value2")], "", ""),
    ("get-header-value-trim", "GET", "/", "", [], [("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')], "", ""),
    ("get-vanilla-with-session-token", "GET", "/", "", [], [], "", TOKEN),
    ("post-vanilla", "POST", "/", "", [], [], "", ""),
    ("post-vanilla-query", "POST", "/", "Param1=value1", [("Param1", "value1")], [], "", ""),
    ("post-vanilla-empty-query-value", "POST", "/", "Param1=value1", [("Param1", "value1")], [], "", ""),
    ("post-header-key-case", "POST", "/", "", [], [], "", ""),
    ("post-header-key-sort", "POST", "/", "", [], [("My-Header1", "value1")], "", ""),
    ("post-header-value-case", "POST", "/", "", [], [("My-Header1", "VALUE1")], "", ""),
    ("post-sts-header-before", "POST", "/", "", [], [], "", LONG),
    ("post-sts-header-after", "POST", "/", "", [], [], "", ""),  # the test adds the token, unsigned
    ("post-x-www-form-urlencoded", "POST", "/", "", [], [("Content-Type", "application/x-www-form-urlencoded")], "Param1=value1", ""),
    ("post-x-www-form-urlencoded-parameters", "POST", "/", "", [],
     [("Content-Type", "application/x-www-form-urlencoded; charset=utf8")], "Param1=value1", ""),
    # Beyond the suite.
    ("empty-value", "GET", "/", "a&b=&c=1", [("a", ""), ("b", ""), ("c", "1")], [], "", ""),
    ("plus-is-space", "GET", "/", "a=b+c&d=%2B", [("a", "b c"), ("d", "+")], [], "", ""),
    ("lower-case-escapes", "GET", "/", "a=%2f%c3%bc", [("a", "/\u00fc")], [], "", ""),
    ("needless-escapes", "GET", "/", "%41=%7e%2d", [("A", "~-")], [], "", ""),
    ("prefix-keys", "GET", "/", "ab=1&a=2&a-b=3&a.b=4&aB=5", [("ab", "1"), ("a", "2"), ("a-b", "3"), ("a.b", "4"), ("aB", "5")], [], "", ""),
    ("equals-in-value", "GET", "/", "a=b=c", [("a", "b=c")], [], "", ""),
    ("escaped-path-is-encoded-twice", "GET", "/a%2Fb%20c", "", [], [], "", ""),
    ("path-with-reserved", "GET", "/a:b@c$d,e;f=g+h!i*j'(k)", "", [], [], "", ""),
    ("dots-above-the-root", "GET", "/../../a/./b//../c/", "", [], [], "", ""),
    ("query-request", "POST", "/", "", [], [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
     ("User-Agent", "unsigned"), ("Amz-Sdk-Request", "attempt=1")], "Action=ListUsers&Version=2010-05-08", ""),
    ("json-request", "POST", "/", "", [], [("Content-Type", "application/x-amz-json-1.1"),
     ("X-Amz-Target", "AWSOrganizationsV20161128.ListRoots")], "{}", TOKEN),
    ("content-hash", "POST", "/", "", [], [("X-Amz-Content-Sha256", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")], "{}", ""),
]


def main():
    now = datetime.datetime(2015, 8, 30, 12, 36, 0)
    out = []
    with mock.patch("botocore.auth.get_current_datetime", lambda *a, **k: now):
        for name, method, path, raw, params, headers, body, token in CASES:
            for form in ("header", "query"):
                if form == "query" and (name.startswith("post-sts") or method == "POST" and name != "post-vanilla"):
                    continue
                request = AWSRequest(method=method, url="https://example.amazonaws.com" + path, data=body.encode())
                request.headers = HTTPHeaders()
                request.headers["Host"] = "example.amazonaws.com"
                for key, value in headers:
                    request.headers.add_header(key, value)
                request.context["payload_signing_enabled"] = True
                creds = Credentials(KEY, SECRET, token or None)
                if form == "header":
                    request.params = params
                    SigV4Auth(creds, "service", "us-east-1").add_auth(request)
                    query = raw
                else:
                    # botocore signs the query string of a URL as it stands, so it gets the canonical spelling.
                    if params:
                        request.url += "?" + "&".join(quote(k, safe="-_.~") + "=" + quote(v, safe="-_.~") for k, v in params)
                    SigV4QueryAuth(creds, "service", "us-east-1", expires=3600).add_auth(request)
                    query = urlsplit(request.url).query
                out.append({"name": name, "form": form, "method": method, "path": path, "query": query,
                            "headers": [[k, v] for k, v in request.headers.items()], "body": body})
    # A presigned query string that ends up in another spelling is tested with the Go SDK's signer.
    print(json.dumps(out, indent=1, ensure_ascii=True))


main()
