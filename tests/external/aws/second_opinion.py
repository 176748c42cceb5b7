"""Asks our SQS and Secrets Manager and moto's the same questions, and reports where the answers differ.

A question is a function that talks to one of them and gives plain data. Its answer is right when it is what AWS
documents (`expected`). Where moto is known to answer something else, that is listed in `MOTO_DIFFERS` with the reason,
and the test fails when moto begins to agree, so that the list stays true.
"""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import boto3
import botocore.config
import botocore.exceptions

PROGRAM = os.environ.get("QUILLON_BIN", str(pathlib.Path(__file__).parents[3] / "target/debug/quillon"))
PATIENCE_S = 60

# Questions that moto answers otherwise than AWS documents, and why we go by the documentation.
MOTO_DIFFERS = {
    "dead letters can be sent back": "its server fails with 500 when a move task names no destination, which is optional",
    "the same deduplication id is one message": "it gives the message that it swallows an id of its own; SQS answers with the first one's",
}

QUESTIONS = []


def question(expected):
    """Registers a question with the answer that AWS documents."""

    def register(ask):
        QUESTIONS.append((ask.__name__.replace("_", " "), ask, expected))
        return ask

    return register


def code_of(call, **arguments):
    """The error code of a call, or None when it succeeds; for SQS the code that its older protocol had, as boto3 gives it."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"].split(".")[-1]
    return None


class Cloud:
    """The clients of one implementation."""

    def __init__(self, endpoint, access_key):
        options = dict(
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key="unused",
            # One answer per question: a retry would hide what the first answer was.
            config=botocore.config.Config(retries={"total_max_attempts": 1}, proxies={}),
        )
        self.sqs = boto3.client("sqs", **options)
        self.secrets = boto3.client("secretsmanager", **options)

    def queue(self, **attributes):
        name = f"q-{uuid.uuid4().hex}" + (".fifo" if attributes.get("FifoQueue") else "")
        return self.sqs.create_queue(QueueName=name, Attributes={key: str(value) for key, value in attributes.items()})["QueueUrl"]

    def receive(self, url, **options):
        return self.sqs.receive_message(QueueUrl=url, **{"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"], **options}).get("Messages", [])

    def bodies(self, url, **options):
        return [message["Body"] for message in self.receive(url, **options)]

    def attribute(self, url, name):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"].get(name)

    def send(self, url, body, **options):
        return self.sqs.send_message(QueueUrl=url, MessageBody=body, **options)


# SQS, standard queues


@question(["one", [], ["one"], "1", "2"])
def a_message_is_hidden_and_comes_back(cloud):
    url = cloud.queue(VisibilityTimeout=30)
    cloud.send(url, "one")
    first = cloud.receive(url)[0]
    hidden = cloud.bodies(url)
    cloud.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    again = cloud.receive(url)
    counts = [message["Attributes"]["ApproximateReceiveCount"] for message in (first, again[0])]
    return [first["Body"], hidden, [message["Body"] for message in again], *counts]


@question([True, True, True])
def digests_and_ids_agree(cloud):
    url = cloud.queue()
    sent = cloud.send(url, "hello ü", MessageAttributes={"cause": {"DataType": "String", "StringValue": "push"}})
    received = cloud.receive(url, MessageAttributeNames=["All"])[0]
    return [
        sent["MD5OfMessageBody"] == hashlib.md5("hello ü".encode()).hexdigest() == received["MD5OfBody"],
        sent["MessageId"] == received["MessageId"],
        sent["MD5OfMessageAttributes"] == received["MD5OfMessageAttributes"],
    ]


@question(["0", []])
def a_deleted_message_is_gone(cloud):
    url = cloud.queue()
    cloud.send(url, "one")
    cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=cloud.receive(url)[0]["ReceiptHandle"])
    return [cloud.attribute(url, "ApproximateNumberOfMessagesNotVisible"), cloud.bodies(url)]


@question([None, "0"])
def deleting_twice_is_no_error(cloud):
    url = cloud.queue()
    cloud.send(url, "one")
    receipt = cloud.receive(url)[0]["ReceiptHandle"]
    cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt)
    return [code_of(cloud.sqs.delete_message, QueueUrl=url, ReceiptHandle=receipt), cloud.attribute(url, "ApproximateNumberOfMessagesNotVisible")]


@question(["2", "1", "1"])
def the_counts_of_a_queue(cloud):
    url = cloud.queue(VisibilityTimeout=60)
    for number in range(3):
        cloud.send(url, str(number))
    cloud.send(url, "later", DelaySeconds=60)
    cloud.receive(url, MaxNumberOfMessages=1)
    return [cloud.attribute(url, f"ApproximateNumberOfMessages{kind}") for kind in ("", "NotVisible", "Delayed")]


@question([[], ["late"]])
def a_delayed_message_is_not_there_yet(cloud):
    url = cloud.queue()
    cloud.send(url, "late", DelaySeconds=1)
    return [cloud.bodies(url), cloud.bodies(url, WaitTimeSeconds=4)]


@question([["a", "b"], []])
def a_batch_is_sent_and_deleted(cloud):
    url = cloud.queue()
    cloud.sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": body, "MessageBody": body} for body in "ab"])
    received = cloud.receive(url)
    entries = [{"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(received)]
    cloud.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return [sorted(message["Body"] for message in received), cloud.bodies(url)]


@question(["BatchEntryIdsNotDistinct", "TooManyEntriesInBatchRequest", "EmptyBatchRequest"])
def a_batch_of_the_wrong_shape_is_refused(cloud):
    url = cloud.queue()

    def send(ids):
        return code_of(cloud.sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": id, "MessageBody": "x"} for id in ids])

    return [send(["a", "a"]), send([str(number) for number in range(11)]), send([])]


@question([[], ["poison"], "3"])
def a_message_that_fails_too_often_moves_to_the_dead_letter_queue(cloud):
    letters = cloud.queue()
    policy = json.dumps({"deadLetterTargetArn": cloud.attribute(letters, "QueueArn"), "maxReceiveCount": "2"})
    url = cloud.queue(VisibilityTimeout=0, RedrivePolicy=policy)
    cloud.send(url, "poison")
    for _ in range(2):
        cloud.receive(url)
    last = cloud.bodies(url)
    found = cloud.receive(letters)
    return [last, [message["Body"] for message in found], found[0]["Attributes"]["ApproximateReceiveCount"] if found else None]


@question([True, ["poison"]])
def dead_letters_can_be_sent_back(cloud):
    letters = cloud.queue()
    arn = cloud.attribute(letters, "QueueArn")
    url = cloud.queue(VisibilityTimeout=0, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"}))
    cloud.send(url, "poison")
    cloud.receive(url)
    cloud.receive(url)
    sources = cloud.sqs.list_dead_letter_source_queues(QueueUrl=letters).get("queueUrls", [])
    cloud.sqs.start_message_move_task(SourceArn=arn)
    back = []
    end = time.monotonic() + 10
    while not back and time.monotonic() < end:
        back = cloud.bodies(url, WaitTimeSeconds=1)
    return [[address.rsplit("/", 1)[-1] for address in sources] == [url.rsplit("/", 1)[-1]], back]


@question(["0", []])
def a_purged_queue_is_empty(cloud):
    url = cloud.queue()
    cloud.send(url, "one")
    cloud.sqs.purge_queue(QueueUrl=url)
    return [cloud.attribute(url, "ApproximateNumberOfMessages"), cloud.bodies(url)]


@question(["NonExistentQueue"] * 3)
def a_queue_that_is_not_there(cloud):
    url = cloud.queue()
    cloud.sqs.delete_queue(QueueUrl=url)
    return [
        code_of(cloud.sqs.send_message, QueueUrl=url, MessageBody="x"),
        code_of(cloud.sqs.receive_message, QueueUrl=url),
        code_of(cloud.sqs.get_queue_url, QueueName="nowhere"),
    ]


@question([True, "QueueAlreadyExists"])
def creating_a_queue_again(cloud):
    name = f"again-{uuid.uuid4().hex}"
    first = cloud.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    second = cloud.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    return [first == second, code_of(cloud.sqs.create_queue, QueueName=name, Attributes={"VisibilityTimeout": "60"})]


@question(["ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"])
def a_receipt_that_never_was_one(cloud):
    url = cloud.queue()
    return [
        code_of(cloud.sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense"),
        code_of(cloud.sqs.change_message_visibility, QueueUrl=url, ReceiptHandle="nonsense", VisibilityTimeout=1),
    ]


@question(["InvalidParameterValue", "InvalidParameterValue"])
def more_messages_and_longer_waits_than_there_are(cloud):
    url = cloud.queue()
    return [
        code_of(cloud.sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11),
        code_of(cloud.sqs.receive_message, QueueUrl=url, WaitTimeSeconds=21),
    ]


# SQS, FIFO queues


@question([["a1"], ["b1"], [], ["a2"]])
def a_group_is_in_order_and_locked_in_flight(cloud):
    url = cloud.queue(FifoQueue="true", VisibilityTimeout=60)
    for body in ("a1", "a2", "b1"):
        cloud.send(url, body, MessageGroupId=body[0], MessageDeduplicationId=body)
    first = cloud.receive(url, MaxNumberOfMessages=1)
    second = cloud.receive(url, MaxNumberOfMessages=1)
    locked = cloud.bodies(url, MaxNumberOfMessages=1)
    cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    return [[first[0]["Body"]], [second[0]["Body"]], locked, cloud.bodies(url, MaxNumberOfMessages=1)]


@question([["one"], True])
def the_same_deduplication_id_is_one_message(cloud):
    url = cloud.queue(FifoQueue="true")
    first = cloud.send(url, "one", MessageGroupId="g", MessageDeduplicationId="same")
    second = cloud.send(url, "two", MessageGroupId="g", MessageDeduplicationId="same")
    return [cloud.bodies(url), first["MessageId"] == second["MessageId"]]


@question(["MissingParameter", "InvalidParameterValue", "InvalidParameterValue"])
def what_a_fifo_queue_does_not_take(cloud):
    url = cloud.queue(FifoQueue="true")
    group = dict(QueueUrl=url, MessageBody="x", MessageGroupId="g")
    return [
        code_of(cloud.sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="d"),
        code_of(cloud.sqs.send_message, **group),
        code_of(cloud.sqs.send_message, **group, MessageDeduplicationId="d", DelaySeconds=5),
    ]


@question([["1", "2"], ["1", "2"]])
def a_failed_message_comes_back_before_those_behind_it(cloud):
    url = cloud.queue(FifoQueue="true", VisibilityTimeout=60)
    for body in "12":
        cloud.send(url, body, MessageGroupId="g", MessageDeduplicationId=body)
    received = cloud.receive(url)
    for message in received:
        cloud.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    return [[message["Body"] for message in received], cloud.bodies(url)]


# Secrets Manager


@question(["second", "first", True])
def the_current_and_the_previous_value(cloud):
    name = f"s-{uuid.uuid4().hex}"
    arn = cloud.secrets.create_secret(Name=name, SecretString="first")["ARN"]
    cloud.secrets.put_secret_value(SecretId=name, SecretString="second")
    current = cloud.secrets.get_secret_value(SecretId=arn)
    previous = cloud.secrets.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
    return [current["SecretString"], previous["SecretString"], arn.startswith(f"arn:aws:secretsmanager:us-east-1:") and f":secret:{name}-" in arn]


@question(["ResourceNotFoundException", "ResourceExistsException"])
def errors_of_secrets(cloud):
    name = f"s-{uuid.uuid4().hex}"
    cloud.secrets.create_secret(Name=name, SecretString="x")
    return [
        code_of(cloud.secrets.get_secret_value, SecretId="nowhere"),
        code_of(cloud.secrets.create_secret, Name=name, SecretString="y"),
    ]


@question([True, "same"])
def a_repeated_request_is_one_version(cloud):
    name = f"s-{uuid.uuid4().hex}"
    token = str(uuid.uuid4())
    cloud.secrets.create_secret(Name=name, SecretString="first")
    versions = [cloud.secrets.put_secret_value(SecretId=name, SecretString="same", ClientRequestToken=token)["VersionId"] for _ in range(2)]
    return [versions == [token, token], cloud.secrets.get_secret_value(SecretId=name)["SecretString"]]


# Both of them, side by side


def answer(ask, cloud):
    """What a cloud answers; an error that nobody expected is an answer too."""
    try:
        return ask(cloud)
    except botocore.exceptions.ClientError as error:
        return f"{type(error).__name__}: {error}"
    except (KeyError, IndexError) as error:
        return f"{type(error).__name__}: {error}"


def wait_for(what, ask, process):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{what} ended with {process.returncode}")
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"waited in vain for {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def report(outcome, name):
    if path := os.environ.get("QUILLON_RESULTS"):
        with open(path, "a") as lines:
            lines.write(f"{outcome} aws: {name}\n")


def compare(ours, moto):
    failures = 0
    for name, ask, expected in QUESTIONS:
        problems = []
        our_answer, their_answer = answer(ask, ours), answer(ask, moto)
        if our_answer != expected:
            problems.append(f"ours: {our_answer}")
        if (their_answer != expected) != (name in MOTO_DIFFERS):
            problems.append(f"moto: {their_answer}")
        if problems:
            failures += 1
            print(f"FAILED  {name}\n        expected: {expected}", *problems, sep="\n        ")
        elif name in MOTO_DIFFERS:
            print(f"ok      {name} (moto differs: {MOTO_DIFFERS[name]})")
        else:
            print(f"ok      {name}")
        report("failed" if problems else "passed", name)
    return failures


def main():
    data = tempfile.mkdtemp(prefix="quillon-external-")
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("QUILLON_", "AWS_"))}
    environment["QUILLON_LOG"] = "error"
    up = subprocess.Popen([PROGRAM, "up", "--data", data, "--listen", "127.0.0.1:0", "--agents", "0"], stdout=subprocess.DEVNULL, env=environment)
    server = subprocess.Popen(["moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        contact = pathlib.Path(data, "instance.json")
        wait_for("quillon up", contact.exists, up)
        wait_for("moto", lambda: is_open(port), server)
        found = json.loads(contact.read_text())
        ours = Cloud(found["url"].rstrip("/") + "/control/v1/aws", found["access_key"])
        failures = compare(ours, Cloud(f"http://127.0.0.1:{port}", "moto"))
        refused = code_of(Cloud(found["url"].rstrip("/") + "/control/v1/aws", "guessed").sqs.list_queues)
        report("passed" if refused == "UnrecognizedClientException" else "failed", "a guessed access key is refused")
        failures += refused != "UnrecognizedClientException"
    finally:
        for process in (up, server):
            process.send_signal(signal.SIGTERM)
        for process in (up, server):
            process.wait()
        shutil.rmtree(data, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
