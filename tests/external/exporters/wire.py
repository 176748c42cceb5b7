"""What goes over the wire between an exporter and the server, kept; and credentials as Dagger's clients send them."""

import base64
import gzip
import urllib.parse

import requests

import expected


def basic(token):
    """How the dagger CLI sends `DAGGER_CLOUD_TOKEN`: as the user, without a password."""
    return {"authorization": "Basic " + base64.b64encode(f"{token}:".encode()).decode()}


def bearer(token):
    return {"authorization": f"Bearer {token}"}


class Exchange:
    def __init__(self, signal, sent, encoding, response):
        self.signal, self.sent, self.encoding, self.response = signal, sent, encoding, response

    @property
    def partial_success(self):
        """How many records were rejected and why; none of an answer without that."""
        answer = expected.RESPONSES[self.signal].FromString(self.response.content)
        if not answer.HasField("partial_success"):
            return None
        [(count, rejected), (_, message)] = answer.partial_success.ListFields()
        assert count.name.startswith("rejected_"), count.name
        return rejected, message


class Wire(requests.Session):
    """A session for exporters that keeps what was sent and answered."""

    def __init__(self):
        super().__init__()
        self.trust_env = False
        self.exchanges = []

    def request(self, method, url, **options):
        response = super().request(method, url, **options)
        encoding = response.request.headers.get("content-encoding", "identity")
        body = options.get("data") or b""
        sent = gzip.decompress(body) if encoding == "gzip" else body
        self.exchanges.append(Exchange(urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1], sent, encoding, response))
        return response

    def close(self):
        # Shared by several exporters, each of which closes it at its end.
        pass

    def sent(self):
        """What arrived, by the answers."""
        return expected.Sent([(exchange.signal, exchange.sent) for exchange in self.exchanges if exchange.response.ok])

    def statuses(self):
        return [exchange.response.status_code for exchange in self.exchanges]


def post(quillon, signal, body, headers, content_type="application/x-protobuf", encoding=None):
    """One request by hand."""
    coded = gzip.compress(body) if encoding == "gzip" else body
    named = {"content-encoding": encoding} if encoding else {}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(f"{quillon.url}/v1/{signal}", data=coded, headers={"content-type": content_type, **named, **headers}, timeout=60)
