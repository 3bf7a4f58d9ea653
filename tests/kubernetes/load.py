"""Clients of a backref while it is replaced: pulls, queries and pushes for so many seconds, each on a connection of its own.

  load.py HOST:PORT SECONDS

The last line says what was asked, what failed, and what was acknowledged and is not listed.
"""

import hashlib
import http.client
import json
import sys
import threading
import time

HOST, SECONDS = sys.argv[1], float(sys.argv[2])
INDEX = "application/vnd.oci.image.index.v1+json"
lock, end = threading.Lock(), time.monotonic() + SECONDS
asked, failed, pushed = {}, [], set()


def manifest(name, subject=None):
    made = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"name": name}}
    if subject:
        made |= {"artifactType": "application/vnd.test", "subject": {"mediaType": INDEX, "digest": subject, "size": 2}}
    return json.dumps(made).encode()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def ask(method, path, body=None):
    connection = http.client.HTTPConnection(HOST, timeout=20)
    try:
        connection.request(method, "/v2/load/" + path, body, {"Content-Type": INDEX, "Accept": INDEX})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def work(kind, number):
    count = 0
    while time.monotonic() < end:
        count += 1
        content = manifest(f"{number}-{count}-{time.time()}", SUBJECT)
        request, wanted = {
            "pull": (("GET", f"manifests/{SUBJECT}"), 200),
            "query": (("GET", f"referrers/{SUBJECT}"), 200),
            "push": (("PUT", f"manifests/{digest(content)}", content), 201),
        }[kind]
        try:
            got = ask(*request)[0]
        except OSError as error:
            got = repr(error)
        with lock:
            asked[kind] = asked.get(kind, 0) + 1
            if got != wanted:
                failed.append((kind, got))
            elif kind == "push":
                pushed.add(digest(content))
        time.sleep(0.05 if kind == "push" else 0.01)


first = manifest(str(time.time()))
SUBJECT = digest(first)
assert ask("PUT", f"manifests/{SUBJECT}", first)[0] == 201
threads = [threading.Thread(target=work, args=(kind, number)) for number, kind in enumerate(["pull", "query", "push"] * 2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
listed = {one["digest"] for one in json.loads(ask("GET", f"referrers/{SUBJECT}")[1])["manifests"]}
print(f"{asked}: {len(failed)} failed {failed[:3]}, {len(pushed - listed)} of {len(pushed)} pushed not listed")
sys.exit(bool(failed or pushed - listed or sum(asked.values()) < 1000))
