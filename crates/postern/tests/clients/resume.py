"""Writers and watchers of one cluster, over kills of the server: nothing that was acknowledged is lost, versions never
go back, and who resumes a watch at the last version it saw misses nothing and sees nothing twice.

usage: resume.py HOST TOKEN FILE   (until FILE is there; FILE.count says how much was acknowledged so far)
"""

import http.client
import json
import os
import ssl
import sys
import threading
import time

HOST, TOKEN, END = sys.argv[1:]
OBJECTS = "/api/v1/namespaces/default/configmaps"
PATIENCE = 30
unverified = ssl._create_unverified_context()
faults, reconnects = [], 0


def connect(timeout=5):
    return http.client.HTTPSConnection(HOST, timeout=timeout, context=unverified)


def ask(connection, method, path, body=None):
    headers = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    return connection.getresponse()


def patiently(method, path, body=None):
    """One answer, over however many connections it takes."""
    end = time.time() + PATIENCE
    while True:
        try:
            answer = ask(connect(), method, path, body)
            text = answer.read()
            if answer.status < 500:
                return answer.status, json.loads(text)
        except (OSError, http.client.HTTPException, ValueError):
            pass
        if time.time() > end:
            raise SystemExit(f"no answer to {method} {path}")
        time.sleep(0.02)


def write(number, acknowledged):
    last, count, connection = 0, 0, None
    while not os.path.exists(END):
        name = f"w{number}-{count}"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": str(count)}}
        try:
            connection = connection or connect()
            answer = ask(connection, "POST", OBJECTS, body)
            text = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            # Nobody knows whether it was written: the same name is tried again.
            connection = None
            time.sleep(0.01)
            continue
        count += answer.status in (201, 409)
        if answer.status == 201:
            version = int(text["metadata"]["resourceVersion"])
            if version <= last:
                faults.append(f"{name} has version {version} after {last}")
            last = version
            acknowledged[name] = version
        elif answer.status != 409:
            connection = None
            time.sleep(0.01)


def watch(version, until, seen):
    """Collects the events after `version`, until one of a version that `until` names has come."""
    global reconnects
    end = None
    while True:
        try:
            query = f"?watch=true&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=5"
            answer = ask(connect(8), "GET", OBJECTS + query)
            if answer.status == 200:
                for line in answer:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        faults.append(f"at {version}: {event}")
                        return
                    version = int(event["object"]["metadata"]["resourceVersion"])
                    if event["type"] != "BOOKMARK":
                        seen.append((version, event["type"], event["object"]["metadata"]["name"]))
                    if until and version >= until[0]:
                        return
        except (OSError, http.client.HTTPException, ValueError):
            # A line that was cut off in its middle is one that was not seen.
            reconnects += 1
            time.sleep(0.01)
        if until:
            end = end or time.time() + PATIENCE
            if version >= until[0]:
                return
            if time.time() > end:
                faults.append(f"a watcher is at {version} and does not get to {until[0]}")
                return


def report(acknowledged):
    while not os.path.exists(END):
        with open(END + ".new", "w") as file:
            file.write(str(sum(map(len, acknowledged))))
        os.rename(END + ".new", END + ".count")
        time.sleep(0.02)


start = int(patiently("GET", OBJECTS)[1]["metadata"]["resourceVersion"])
acknowledged = [{} for _ in range(3)]
seen, until = [[] for _ in range(3)], []
threading.Thread(target=report, args=(acknowledged,)).start()
writers = [threading.Thread(target=write, args=it) for it in enumerate(acknowledged)]
watchers = [threading.Thread(target=watch, args=(start, until, it)) for it in seen]
for it in watchers + writers:
    it.start()
for it in writers:
    it.join()
last = patiently("POST", OBJECTS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "last"}})
there = {it["metadata"]["name"]: int(it["metadata"]["resourceVersion"]) for it in patiently("GET", OBJECTS)[1]["items"]}
until.append(there["last"])
for it in watchers:
    it.join()
there = {name: version for name, version in there.items() if version > start}
for mine in acknowledged:
    for name, version in mine.items():
        if there.get(name) != version:
            faults.append(f"{name} was acknowledged at {version} and is at {there.get(name)}")
for events in seen:
    versions = [it[0] for it in events]
    if versions != sorted(set(versions)):
        faults.append("a watcher saw an event twice, or an older one after a newer one")
    added = {name: version for version, kind, name in events if kind == "ADDED"}
    if added != there:
        odd = set(added.items()) ^ set(there.items())
        faults.append(f"a watcher missed or made up {len(odd)} events: {sorted(odd)[:5]}")
print(f"{len(there)} objects, {reconnects} connections cut off")
if faults or not reconnects:
    sys.exit("\n".join(faults[:10]) or "no watch was ever cut off")
