"""Signatures as botocore makes them, and what becomes of them on the way: other secrets, clocks, bodies, URLs.

With an endpoint as its argument it asks there, without one at the services' real host names.
"""

import datetime
import json
import os
import sys
import urllib.error
import urllib.request

import botocore.auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ENDPOINT = sys.argv[1] if len(sys.argv) > 1 else None
REGION = os.environ["AWS_DEFAULT_REGION"]
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]

FORM = "application/x-www-form-urlencoded; charset=utf-8"
JSON = "application/x-amz-json-1.1"
# service -> (host, method, path, headers, body)
REQUESTS = {
    "eks": (f"eks.{REGION}.amazonaws.com", "GET", "/clusters", {}, ""),
    "ec2": (f"ec2.{REGION}.amazonaws.com", "POST", "/", {"Content-Type": FORM},
            "Action=DescribeVpcs&Version=2016-11-15"),
    "sts": (f"sts.{REGION}.amazonaws.com", "POST", "/", {"Content-Type": FORM},
            "Action=GetCallerIdentity&Version=2011-06-15"),
    "ssm": (f"ssm.{REGION}.amazonaws.com", "POST", "/",
            {"Content-Type": JSON, "X-Amz-Target": "AmazonSSM.GetParametersByPath"},
            json.dumps({"Path": "/aws/service/ami-amazon-linux-latest", "MaxResults": 1})),
}
# what each protocol says: (status, code) of a wrong signature, an unknown key, a skewed clock, a wrong scope
MISMATCH = {
    "eks": (403, "InvalidSignatureException"), "ec2": (401, "AuthFailure"),
    "sts": (403, "SignatureDoesNotMatch"), "ssm": (400, "InvalidSignatureException"),
}
STRANGER = {
    "eks": (403, "UnrecognizedClientException"), "ec2": (401, "AuthFailure"),
    "sts": (403, "InvalidClientTokenId"), "ssm": (400, "UnrecognizedClientException"),
}
SKEWED = MISMATCH | {"ec2": (400, "RequestExpired")}


def clock(seconds):
    """Signs from now on as if it were so many seconds later."""
    def now(remove_tzinfo=True):
        it = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return it.replace(tzinfo=None) if remove_tzinfo else it

    assert hasattr(botocore.auth, "get_current_datetime"), "this botocore reads the clock in another way"
    botocore.auth.get_current_datetime = now


def request(service):
    host, method, path, headers, body = REQUESTS[service]
    base = ENDPOINT or f"https://{host}"
    return AWSRequest(method=method, url=base + path, headers=dict(headers), data=body)


def signed(service, secret=SECRET, key=KEY, token=None, region=REGION, scope=None):
    it = request(service)
    SigV4Auth(Credentials(key, secret, token), scope or service, region).add_auth(it)
    return it.prepare()


def presigned(service, expires=60, secret=SECRET, key=KEY, token=None):
    it = request(service)
    if service == "sts":
        it.method, it.data = "GET", ""
        it.url += "?Action=GetCallerIdentity&Version=2011-06-15"
        it.headers = {}
    SigV4QueryAuth(Credentials(key, secret, token), service, REGION, expires=expires).add_auth(it)
    return it.prepare()


def send(prepared, url=None, body=None, **more):
    headers = {k: (v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items()} | more
    headers.pop("Content-Length", None)  # an altered body has its own
    body = prepared.body if body is None else body
    body = body.encode() if isinstance(body, str) else body
    call = urllib.request.Request(url or prepared.url, data=body or None, headers=headers, method=prepared.method)
    try:
        with urllib.request.urlopen(call, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def code(service, text, headers):
    """The error's code, from where the protocol has it."""
    if service in ("eks", "ssm"):
        assert headers["x-amzn-requestid"], headers
        body = json.loads(text)
        assert body["message"], body
        if service == "ssm":
            assert body["__type"] == headers["x-amzn-errortype"], body
        return headers["x-amzn-errortype"]
    assert ("<RequestID>" if service == "ec2" else "<RequestId>") in text, text
    assert text.count("<Error>") == 1 and "<Message>" in text, text
    return text.split("<Code>")[1].split("</Code>")[0]


def refused(service, want, answer, what, says=""):
    status, text, headers = answer
    got = (status, code(service, text, headers) if status >= 400 else "no error")
    assert got == want, f"{service}, {what}: {got} instead of {want}: {text}"
    assert says in text, f"{service}, {what}: {text}"


def granted(answer, what):
    assert answer[0] == 200, f"{what}: {answer[0]} {answer[1]}"


clock(0)
for service in REQUESTS:
    granted(send(signed(service)), service)
    refused(service, MISMATCH[service], send(signed(service, secret=SECRET + "x")), "another secret")
    refused(service, STRANGER[service], send(signed(service, key="AKIA" + "A" * 16)), "an unknown key")
    refused(service, STRANGER[service], send(signed(service, token="no session's")), "a token that the key has not")
    refused(service, MISMATCH[service], send(signed(service, region="nowhere-1")), "no region")
    if ENDPOINT is None:
        refused(service, MISMATCH[service], send(signed(service, region="us-east-2")), "the region of another host")
        refused(service, MISMATCH[service], send(signed(service, scope="s3")), "the service of another host")
    # what the signature covers
    it = signed(service)
    refused(service, MISMATCH[service], send(it, body=REQUESTS[service][4] + " "), "an altered body")
    refused(service, MISMATCH[service], send(it, url=it.url + "?a=b"), "an altered query string")
    date = it.headers["X-Amz-Date"]
    date = date[:-2] + ("0Z" if date[-2] != "0" else "1Z")
    refused(service, MISMATCH[service], send(it, **{"X-Amz-Date": date}), "an altered date")
    if service != "ec2":
        unread = {"eks": (403, "IncompleteSignatureException"), "ssm": (400, "IncompleteSignatureException"),
                  "sts": (400, "IncompleteSignature")}[service]
        refused(service, unread, send(it, **{"X-Amz-Security-Token": "added"}), "a header that decides, added")
        refused(service, unread, send(it, Authorization="AWS4-HMAC-SHA256 Credential=x"), "a cut header")
    # the clock
    for minutes in (-4, 4):
        clock(minutes * 60)
        granted(send(signed(service)), f"{service}, {minutes} minutes off")
    past, future = "Signature expired: ", "Signature not yet current: "
    for minutes, says in ((-6, past), (-60 * 24 * 3, past), (6, future)):
        clock(minutes * 60)
        says = "Request has expired." if service == "ec2" else says
        refused(service, SKEWED[service], send(signed(service)), f"{minutes} minutes off", says)
    clock(0)

# an old request, sent again with a new date
clock(-3600)
old = signed("eks")
clock(0)
refused("eks", SKEWED["eks"], send(old), "replayed", "Signature expired: ")
today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
refused("eks", MISMATCH["eks"], send(old, **{"X-Amz-Date": today}), "replayed with a new date")

# presigned URLs, as `aws eks get-token` makes them
for service in ("sts", "eks"):
    url = presigned(service)
    granted(send(url), f"{service}, presigned")
    granted(send(url), f"{service}, presigned and used again")
    refused(service, MISMATCH[service], send(url, url=url.url.replace("Expires=60", "Expires=6000")), "a longer life")
    other = url.url[:-1] + ("0" if url.url[-1] != "0" else "1")
    refused(service, MISMATCH[service], send(url, url=other), "another signature")
    refused(service, MISMATCH[service], send(url, url=url.url + "&a=b"), "one more parameter")
    refused(service, MISMATCH[service], send(presigned(service, secret="x")), "another secret, presigned")
    refused(service, STRANGER[service], send(presigned(service, token="no session's")), "a token, presigned")
    clock(-120)
    refused(service, SKEWED[service], send(presigned(service)), "an expired URL", "Signature expired: ")
    granted(send(presigned(service, expires=300)), "a URL that still lives")
    clock(20 * 60)
    refused(service, SKEWED[service], send(presigned(service)), "a URL of later", "Signature not yet current: ")
    clock(0)
unread = {"sts": (400, "IncompleteSignature"), "eks": (403, "IncompleteSignatureException")}
for service, want in unread.items():
    for expires in (0, 604801, -1):
        refused(service, want, send(presigned(service, expires=expires)), f"a life of {expires} seconds")
    url = presigned(service)
    other = url.url.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=x")
    refused(service, want, send(url, url=other), "no host signed")
print("ok")
