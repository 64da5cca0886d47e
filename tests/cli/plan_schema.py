#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The schema of plan files: it holds for what `vggctl plan --save` writes, and what
it refuses is refused by --split, which knows the network besides."""
import copy
import json
import os
import subprocess
import sys
import tempfile

import jsonschema

SCHEMA = "lib/plan/plan.schema.json"
PLAN = ["build/vggctl", "plan", "--device", "sim"]
count = failed = 0


def ok(good, what):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {what}", flush=True)


with open(SCHEMA) as f:
    schema = json.load(f)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "plan.json")


def save(*options):
    subprocess.run([*PLAN, "--save", path, *options], check=True,
                   stdout=subprocess.DEVNULL)
    with open(path) as f:
        return json.load(f)


def said(plan):
    """What --split says of a plan; "" if it is good."""
    with open(path, "w") as f:
        json.dump(plan, f)
    return subprocess.run([*PLAN, "--machine", "rk3399", "--split", path],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True).stderr


# What is saved. Between them the plans have all there can be in a file.
big = os.path.join(folder.name, "vgg11.model")
subprocess.run(["build/vggctl", "import", "--arch", "vgg11", "--random-weights", "7",
                "--keep", "none", "-o", big], check=True, stdout=subprocess.DEVNULL)
plans, seen = [], set()
for options in (["--machine", "rk3399"], ["--split", "cpu"],
                ["--split", "card", "--what-if", "memory=0"],
                ["--machine", "rk3399", "--what-if", "macs=16x16,link=6304"],
                ["-m", big, "--machine", "rk3399"],
                ["-m", big, "--split", "offload"],
                ["-m", big, "--machine", "rk3399", "--what-if",
                 "memory=64,macs=8x8"]):
    plan = save(*options)
    errors = [e.message for e in validator.iter_errors(plan)]
    ok(not errors, f"plan {' '.join(options)}: {errors}")
    ok(plan["$schema"] == schema["$id"], "... it names the schema")
    plans.append(plan)
    seen |= plan.keys()
    for layer in plan["layers"]:
        seen |= layer.keys() | {layer["on"]}
properties = schema["properties"].keys() | schema["$defs"]["layer"]["properties"].keys()
places = set(schema["$defs"]["layer"]["properties"]["on"]["enum"])
ok(seen == properties | places, f"all of the schema is used: {seen ^ (properties | places)}")

# What is damaged: a plan of the built-in network with a layer of each kind.
good = save("--machine", "rk3399", "--split", "card")
layers = good["layers"]
layers[0].update({"on": "rows", "cut": 4, "streamed": True})
layers[4].update({"on": "channels", "cut": 64})
layers[5]["on"] = "cpu"
none = next(i for i, l in enumerate(layers) if l["on"] == "none")
del good["$schema"]
ok(validator.is_valid(good) and not said(good), "a plan with layers of each kind is good")

REMOVED = object()
damages = [
    ("vggaccel_plan", 2), ("vggaccel_plan", REMOVED), ("vggaccel_plan", "1"),
    ("network", REMOVED), ("network", 5), ("layers", REMOVED), ("layers", 5),
    ("more", 1), (0, "more", 1), (0, "name", REMOVED), (0, "out", REMOVED),
    (0, "out", "3 rows"), (0, "on", REMOVED), (0, "on", "gpu"), (0, "on", 1),
    (0, "on", "card"), (0, "cut", REMOVED), (0, "cut", 3.5), (0, "cut", 0),
    (0, "cut", -4), (0, "cut", "4"), (0, "streamed", 1), (1, "cut", 4),
    (4, "cut", 65), (4, "cut", REMOVED), (5, "streamed", True), (5, "cut", 4),
    (none, "streamed", True), (none, "cut", 1),
]
for *at, key, value in damages:
    plan = copy.deepcopy(good)
    inside = plan["layers"][at[0]] if at else plan
    if value is REMOVED:
        del inside[key]
    else:
        inside[key] = value
    shown = "removed" if value is REMOVED else repr(value)
    where = f"layer {at[0]}: {key} {shown}" if at else f"{key} {shown}"
    ok(not validator.is_valid(plan), f"the schema refuses {where}")
    ok("[PLAN_" in said(plan), "... and so does --split")
ok(not validator.is_valid([1]) and "[PLAN_FORMAT]" in said([1]), "both refuse a list")

# What only the network tells.
for at, key, value in ((0, "name", "other"), (0, "out", "1x1"), (0, "cut", 10000),
                       (none, "on", "cpu")):
    plan = copy.deepcopy(good)
    plan["layers"][at][key] = value
    ok(validator.is_valid(plan) and "[PLAN_" in said(plan),
       f"--split alone refuses layer {at}: {key} {value!r}")
# For readers and editors.
good.update({"$schema": "file:///plan.schema.json", "guessed": True, "ms": 1})
ok(validator.is_valid(good) and not said(good), "both take what is for editors")
print(f"1..{count}")
sys.exit(failed > 0)
