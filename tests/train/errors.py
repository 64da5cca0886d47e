#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What tools/train says of input it can't use; and of signals.

Prints TAP. Each message names what, where and the next step.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from drawn import checkpoint, cifar10, differences, pictures, stl10, train, trained
from nets import Tap

PER_FILE, RECORD, STL_RECORD = 20, 3073, 27648
# A whole program with PyTorch takes a while to start on a busy machine.
PATIENCE = 120

tap = Tap()
top = tempfile.TemporaryDirectory()
CIFAR10 = cifar10(f"{top.name}/cifar10", PER_FILE, 8)
STL10 = stl10(f"{top.name}/stl10", 16, 8)
FOLDER = pictures(f"{top.name}/folder", 20, 20)
MINI = ["minivgg", "--width", 16, "--batch", 8, "--epochs", 1, "--threads", 1]
STL = ["vgg16_stl10", "--width", 16, "--batch", 8, "--epochs", 1, "--threads", 1]
VGG = ["vgg11", "--width", 16, "--batch", 8, "--epochs", 1, "--threads", 1,
       "--input", 32]


def refused(words, arguments, data, out):
    status, said, err = train(*arguments, "--data", data, "--out", out)
    assert status == 1, (status, said, err)
    assert err.startswith("train: ") and err.count("\n") == 1, err
    for word in words:
        assert word in err, f"no {word!r} in: {err}"


def damaged(name, arguments, good, damage, *words):
    """The data set, after damage(folder) in a copy."""
    def test(out):
        data = out + ".data"
        shutil.copytree(good, data)
        damage(data)
        refused(words, arguments, data, out)
    tap.case(name, test)


def cut(name, size):
    return lambda folder: os.truncate(os.path.join(folder, name), size)


def removed(name):
    return lambda folder: os.unlink(os.path.join(folder, name))


def poked(name, at, value):
    def damage(folder):
        with open(os.path.join(folder, name), "r+b") as file:
            file.seek(at)
            file.write(bytes([value]))
    return damage


def gone(name):
    return lambda folder: shutil.rmtree(os.path.join(folder, name))


def broken_picture(folder):
    where = os.path.join(folder, "val/disc")
    with open(os.path.join(where, "a.jpg"), "wb") as file:
        file.write(b"\xff\xd8\xff\xe0no picture")


again = "get CIFAR-10's binary version again"
damaged("CIFAR-10 without a training file", MINI, CIFAR10, removed("data_batch_1.bin"),
        "data_batch_1.bin: is missing, though a later one is there",
        "name the folder of CIFAR-10's binary version")
damaged("CIFAR-10 without any training file", MINI, CIFAR10,
        lambda f: [os.unlink(f"{f}/{n}") for n in os.listdir(f) if n.startswith("data_")],
        "data_batch_1.bin: No such file", "name the folder of CIFAR-10's binary version")
damaged("CIFAR-10 without the test file", MINI, CIFAR10, removed("test_batch.bin"),
        "test_batch.bin: No such file")
damaged("a short file", MINI, CIFAR10, cut("data_batch_2.bin", 9 * RECORD - 1),
        f"data_batch_2.bin: {9 * RECORD - 1} bytes are not whole records of 3073", again)
damaged("an empty file", MINI, CIFAR10, cut("test_batch.bin", 0),
        "test_batch.bin: 0 bytes are not whole", again)
damaged("a class that isn't", MINI, CIFAR10, poked("data_batch_1.bin", 3 * RECORD, 10),
        "data_batch_1.bin: record 3 is of class 10 of 10", again)
damaged("too few names", MINI, CIFAR10, cut("batches.meta.txt", 10),
        "batches.meta.txt: 2 names of classes, not 10")
damaged("less than a batch", MINI, CIFAR10,
        lambda f: (removed("data_batch_2.bin")(f), cut("data_batch_1.bin", 7 * RECORD)(f)),
        "7 pictures are not one batch of 8", "a smaller --batch")
damaged("STL-10 without classes", STL, STL10, removed("train_y.bin"),
        "train_y.bin: No such file", "name the folder of STL-10's binary version")
damaged("pictures of another size", STL, STL10, cut("train_X.bin", 16 * STL_RECORD - 9),
        f"train_X.bin: {16 * STL_RECORD - 9} bytes of pictures, of 27648 each, and 16 "
        "classes don't go together", "get STL-10's binary version again")
damaged("a class 0", STL, STL10, poked("test_y.bin", 5, 0),
        "test_y.bin: picture 5 is of class 0, not one of 1 to 10")
damaged("no val folder", VGG, FOLDER, gone("val"), "val: No such file",
        "name a folder with train/CLASS/*.jpg and val/CLASS/*.jpg")
damaged("other classes in val", VGG, FOLDER, gone("val/disc"),
        "train and val have other classes")
damaged("no pictures", VGG, FOLDER,
        lambda f: [gone(f"train/{c}")(f) for c in os.listdir(f + "/train")],
        "train: no subfolder has JPEG or PNG files")
damaged("a broken picture", VGG, FOLDER, broken_picture,
        "val/disc/a.jpg: not a readable picture", "remove or replace it")


def missing(out):
    for arguments in MINI, STL, VGG:
        refused(["/nowhere", "No such file"], arguments, "/nowhere", out)
    assert not os.path.exists(out), "a folder was left behind"


def diverges(out):
    refused(["epoch 1, step ", "the loss is ", "try a lower --rate"],
            [*MINI, "--rate", 1e30], CIFAR10, out)
    refused(["epoch 1: the loss is ", ", that of guessing 2.303", "try a lower --rate"],
            [*MINI, "--rate", 1e4], CIFAR10, out + ".2")


def usage(out):
    for arguments, words in (
            ([*MINI, "--width", 3], "--width must be 1, 2, 4, 8 or 16"),
            ([*MINI, "--input", 64], "--input: CIFAR-10, binary version has pictures "
             "of 32x32"),
            ([*MINI, "--batch", 0], "--batch must be at least 1"),
            ([*MINI, "--rate", 0], "--rate must be above 0"),
            ([*VGG, "--input", 31], "--input must be 32 to 1024"),
            ([*MINI, "--augment", "flip"], "--augment: the pictures of CIFAR-10"),
            (["alexnet"], "invalid choice: 'alexnet'")):
        status, _, err = train(*arguments, "--data", CIFAR10, "--out", out)
        assert status == 2 and words in err, (status, err)


def no_place(out):
    open(out, "w", encoding="ascii").close()
    refused([out, "name another folder by --out"], MINI, CIFAR10, out)
    refused(["--device nowhere: ", "name cpu"], [*MINI, "--device", "nowhere"], CIFAR10,
            out + ".new")


tap.case("no folder", missing)
tap.case("no place to train at", no_place)
tap.case("a loss without bounds", diverges)
tap.case("wrong usage", usage)


# Checkpoints.

def checkpoints(out):
    path = f"{out}/checkpoint.pt"
    refused([path, "there is no checkpoint", "start without --resume"],
            [*MINI, "--resume"], CIFAR10, out)
    trained(*MINI, "--data", CIFAR10, "--out", out)
    refused([path, "there is a training already", "add --resume"], MINI, CIFAR10, out)
    other = ["minivgg_wide", *MINI[1:]]
    refused([path, "was trained with recipe minivgg, not minivgg_wide",
             "resume with the same options"], [*other, "--resume"], CIFAR10, out)
    refused([path, "was trained with width 16, not 8"],
            [*MINI, "--width", 8, "--resume"], CIFAR10, out)
    refused([path, "was trained with pictures 40, not "], [*MINI, "--resume"],
            cifar10(out + ".less", 16, 8), out)
    size = os.path.getsize(path)
    for length in (size - 1, size // 2, 0):
        os.truncate(path, length)
        refused([path, "this is no checkpoint of a training, or not all of one",
                 "remove it and train again"], [*MINI, "--resume"], CIFAR10, out)
    with open(path, "wb") as file:
        file.write(b"weights")
    refused([path, "this is no checkpoint"], [*MINI, "--resume"], CIFAR10, out)


def weights_of_another(out):
    """The same options, but other tensors: a checkpoint that was tampered with."""
    import torch
    trained(*MINI, "--data", CIFAR10, "--out", out)
    state = checkpoint(out)
    first = next(iter(state["net"]))
    state["net"][first] = state["net"][first][:1]
    torch.save(state, f"{out}/checkpoint.pt")
    refused([f"{out}/checkpoint.pt", "its weights are another network's"],
            [*MINI, "--resume"], CIFAR10, out)


def compiling(out):
    call = ["tools/train/compile", out, "-o", f"{out}.model"]

    def said(words):
        done = subprocess.run(call, capture_output=True, text=True)
        assert done.returncode == 1 and words in done.stderr, done

    said("model.json: there is no training here; name the folder that --out was given")
    trained(*MINI, "--data", CIFAR10, "--out", out, "--stop-after", 2)
    said("model.onnx: the training hasn't ended an epoch yet; go on with --resume")
    trained(*MINI, "--data", CIFAR10, "--out", out, "--resume")
    for own in ["--calib=x"], ["--calib", "x"], ["--cal=x"], ["--no-quantize"]:
        told = subprocess.run([*call, *own], capture_output=True, text=True, check=True,
                              env={**os.environ, "VGGCTL": "/bin/echo"}).stdout
        assert "cifar10:" not in told and told.endswith(" ".join(own) + "\n"), told
    with open(f"{out}/model.json", "w", encoding="ascii") as file:
        file.write("{}")
    said("model.json: not as a training writes it (KeyError('onnx')); train again")


tap.case("checkpoints", checkpoints)
tap.case("a checkpoint with other weights", weights_of_another)
tap.case("compiling what isn't there", compiling)


def signalled(out):
    """The whole program, in the middle of the work: it leaves a checkpoint, from which
    the training goes on to the same weights."""
    work = [*MINI, "--epochs", 40, "--data", CIFAR10]
    command = ["tools/train/train", *map(str, work), "--out", out]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = "note: "
        while line.startswith("note: "):
            line = process.stdout.readline()
        assert line.startswith("epoch 1/40"), line
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        status = process.wait(PATIENCE)
    assert status == 128 + signal.SIGTERM, (status, rest)
    assert "--resume goes on" in rest, rest
    left = checkpoint(out)
    assert 1 <= len(left["history"]) < 40, len(left["history"])
    trained(*work, "--out", out, "--resume")
    trained(*work, "--out", out + ".through")
    wrong = differences(checkpoint(out), checkpoint(out + ".through"))
    assert not wrong, wrong[:5]


tap.case("SIGTERM", signalled)
sys.exit(tap.end())
