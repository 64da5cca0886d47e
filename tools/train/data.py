# SPDX-License-Identifier: MIT
"""Data sets in the files they are published as: CIFAR-10's binary version,
STL-10's, and ImageNet's layout of a folder for each part and class.

A data set has `classes` (names), `labels` (a tensor), and take(chosen, seed):
the chosen pictures as uint8, NCHW, by `seed` changed at random as training wants
it, or as they are with seed None. What a picture becomes depends on nothing else,
so an interrupted training finds the same ones again.
"""
import concurrent.futures
import math
import os

import numpy as np
import torch


class Bad(Exception):
    """What can't be used: where, what is wrong with it, what to do."""

    def __init__(self, where, what, remedy):
        super().__init__(f"{where}: {what}; {remedy}")


def read(path, remedy):
    try:
        return np.fromfile(path, np.uint8)
    except OSError as e:
        raise Bad(path, e.strerror, remedy) from e


def class_names(path, names):
    """From the file that comes with the set, else as its authors call them."""
    try:
        with open(path, encoding="utf-8") as file:
            found = file.read().split()
    except FileNotFoundError:
        return list(names)
    if len(found) != len(names):
        raise Bad(path, f"{len(found)} names of classes, not {len(names)}",
                  "get the data set again")
    return found


class Pictures:
    """In memory: NCHW bytes, and classes."""

    def __init__(self, pictures, labels, classes):
        self.pictures, self.labels, self.classes = pictures, labels, classes
        self.side = pictures.shape[-1]

    def take(self, chosen, _seed=None):
        return self.pictures[chosen]


CIFAR10 = ("airplane automobile bird cat deer dog frog horse ship truck").split()
CIFAR10_SIDE = 32
CIFAR10_GET = ("name the folder of CIFAR-10's binary version, which has "
               "data_batch_1.bin to 5 and test_batch.bin")


def cifar10_records(data, path):
    """(pictures, labels) of one file: a byte of class, then planes, by rows."""
    record = 1 + 3 * CIFAR10_SIDE ** 2
    if not data.size or data.size % record:
        raise Bad(path, f"{data.size} bytes are not whole records of {record}",
                  "get CIFAR-10's binary version again")
    data = torch.from_numpy(data).view(-1, record)
    labels = data[:, 0].long()
    if labels.max() >= len(CIFAR10):
        at = int((labels >= len(CIFAR10)).nonzero()[0])
        raise Bad(path, f"record {at} is of class {labels[at]} of {len(CIFAR10)}",
                  "get CIFAR-10's binary version again")
    return data[:, 1:].reshape(-1, 3, CIFAR10_SIDE, CIFAR10_SIDE), labels


def cifar10(folder, part):
    """All of the training part's files, or the first ones of a smaller set."""
    paths = [os.path.join(folder, "test_batch.bin")]
    if part == "train":
        paths = [os.path.join(folder, f"data_batch_{i}.bin") for i in range(1, 6)]
        there = [os.path.exists(p) for p in paths]
        # Without later ones the set is a smaller one; a gap is a mistake.
        if any(there[i + 1] and not there[i] for i in range(len(there) - 1)):
            missing = paths[there.index(False)]
            raise Bad(missing, "is missing, though a later one is there", CIFAR10_GET)
        paths = paths[:max(1, sum(there))]
    parts = [cifar10_records(read(p, CIFAR10_GET), p) for p in paths]
    names = class_names(os.path.join(folder, "batches.meta.txt"), CIFAR10)
    return Pictures(*(torch.cat(p) for p in zip(*parts)), names)


STL10 = ("airplane bird car cat deer dog horse monkey ship truck").split()
STL10_SIDE = 96
STL10_GET = ("name the folder of STL-10's binary version, which has train_X.bin, "
             "train_y.bin, test_X.bin and test_y.bin")


def stl10(folder, part):
    """Planes by columns in one file, classes from 1 in another."""
    path = os.path.join(folder, f"{part}_X.bin")
    labels = read(os.path.join(folder, f"{part}_y.bin"), STL10_GET)
    data = read(path, STL10_GET)
    record = 3 * STL10_SIDE ** 2
    if not data.size or data.size != record * labels.size:
        raise Bad(path, f"{data.size} bytes of pictures, of {record} each, and "
                  f"{labels.size} classes don't go together",
                  "get STL-10's binary version again")
    if labels.min() < 1 or labels.max() > len(STL10):
        at = int(np.flatnonzero((labels < 1) | (labels > len(STL10)))[0])
        raise Bad(path.replace("_X", "_y"), f"picture {at} is of class {labels[at]}, "
                  f"not one of 1 to {len(STL10)}",
                  "get STL-10's binary version again")
    planes = torch.from_numpy(data).view(-1, 3, STL10_SIDE, STL10_SIDE)
    names = class_names(os.path.join(folder, "class_names.txt"), STL10)
    return Pictures(planes.transpose(2, 3).contiguous(),
                    torch.from_numpy(labels).long() - 1, names)


FOLDER_GET = ("name a folder with train/CLASS/*.jpg and val/CLASS/*.jpg, the same "
              "classes in both")
ENDINGS = (".jpg", ".jpeg", ".png")


def pillow():
    try:
        from PIL import Image
    except ImportError as e:
        raise Bad("PIL", "the module isn't there, which reads JPEG and PNG",
                  "run tools/deps train") from e
    return Image


def random_part(width, height, random):
    """A box of 8 to 100 % of the area, of 3:4 to 4:3, as is usual for ImageNet."""
    for _ in range(10):
        area = width * height * (.08 + .92 * float(random()))
        ratio = math.exp((2 * float(random()) - 1) * math.log(4 / 3))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(random() * (width - w + 1)), int(random() * (height - h + 1))
            return x, y, x + w, y + h
    side = min(width, height)
    x, y = (width - side) // 2, (height - side) // 2
    return x, y, x + side, y + side


class Folder:
    """Files, decoded when they are wanted.

    As they are: the shorter side scaled to `resize`, the centre cut out, which is
    what vggctl does. For training: as `augment` says, "none", "flip" or "crop" (a
    random part, scaled; and flipped).
    """

    def __init__(self, path, part, side, resize, augment, threads):
        self.side, self.resize, self.augment = side, resize, augment
        self.files, labels = [], []
        folder = os.path.join(path, part)
        try:
            self.classes = sorted(e.name for e in os.scandir(folder) if e.is_dir())
        except OSError as e:
            raise Bad(folder, e.strerror, FOLDER_GET) from e
        for label, name in enumerate(self.classes):
            found = sorted(f for f in os.listdir(os.path.join(folder, name))
                           if f.lower().endswith(ENDINGS))
            self.files += [os.path.join(folder, name, f) for f in found]
            labels += [label] * len(found)
        if not self.files:
            raise Bad(folder, "no subfolder has JPEG or PNG files", FOLDER_GET)
        self.labels = torch.tensor(labels)
        self.image = pillow()
        self.pool = concurrent.futures.ThreadPoolExecutor(max(1, threads))

    def centre(self, image):
        """To the pixel what torchvision does, and so vggctl."""
        size = [self.resize * n // min(image.size) for n in image.size]
        image = image.resize(size, self.image.BILINEAR)
        x, y = (round((n - self.side) / 2) for n in size)
        return image.crop((x, y, x + self.side, y + self.side))

    def changed(self, image, random):
        if self.augment == "crop":
            box = random_part(*image.size, random)
            image = image.resize((self.side, self.side), self.image.BILINEAR, box)
        else:
            image = self.centre(image)
        flip = self.augment != "none" and random() < .5
        return image.transpose(self.image.FLIP_LEFT_RIGHT) if flip else image

    def load(self, number, seed):
        path = self.files[number]
        try:
            with self.image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, ValueError, SyntaxError) as e:
            raise Bad(path, f"not a readable picture ({e})", "remove or replace it") from e
        if seed is None:
            image = self.centre(image)
        else:
            random = np.random.default_rng((seed, number)).random
            image = self.changed(image, random)
        return np.asarray(image)

    def take(self, chosen, seed=None):
        numbers = range(*chosen.indices(len(self.files))) if isinstance(
            chosen, slice) else chosen.tolist()
        done = self.pool.map(lambda n: self.load(n, seed), numbers)
        return torch.from_numpy(np.stack(list(done))).permute(0, 3, 1, 2)
