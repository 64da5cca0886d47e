# SPDX-License-Identifier: MIT
"""Training, whatever the network: epochs, checkpoints, curves, ONNX.

An interrupted and resumed training ends with the same weights, to the bit, as one
that ran through (on the same machine and number of threads). So everything random
comes from a seed for each epoch; and where an epoch was interrupted, the state of
the generator is kept, which dropout draws from.
"""
import ctypes
import math
import os
import signal
import time

import torch
from torch.nn import functional

import curves
import files
from data import Bad

CHECKPOINT = "checkpoint.pt"
EVALUATE_AT_ONCE = 500  # pictures
SAY_EVERY = 60  # seconds
# Times the loss of one that guesses. Fresh weights may begin high, but come down.
DIVERGED = 10
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>


class Stopped(Exception):
    """On purpose; a checkpoint is there."""


def set_up(threads):
    torch.set_num_threads(threads)
    busy, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if threads > 1 and threads > cpus - busy + .5:
        print(f"note: other processes keep {min(busy, cpus):.1f} of {cpus} CPUs busy; "
              "--threads 1 may be faster")
    torch.backends.cudnn.deterministic = True
    # Activations are freed and allocated again in each step: from the heap, not
    # from the kernel, which would zero their pages each time.
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def add_options(parser):
    """What every recipe's program has."""
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N",
                        help="of weights and of all that is random (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, metavar="N",
                        help="no more than there are idle cores (%(default)s)")
    parser.add_argument("--device", default="cpu", help="as PyTorch names it, cuda for "
                        "instance (%(default)s)")
    parser.add_argument("--resume", action="store_true",
                        help="continue from the checkpoint in --out")
    parser.add_argument("--stop-after", type=int, metavar="N", help="leave a "
                        "checkpoint after so many steps and end, as SIGINT and SIGTERM do")


def take_options(training, o):
    training.seed, training.out, training.epochs = o.seed, o.out, o.epochs
    training.device, training.stop_after = o.device, o.stop_after


class Preprocess:
    """Bytes / 255, then (x - mean) / std on each channel."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, pictures):
        x = pictures.float() / 255
        if len(set(self.mean)) == len(set(self.std)) == 1:
            x = (x - self.mean[0]) / self.std[0]
        else:
            x = ((x - torch.tensor(self.mean, device=x.device).view(3, 1, 1)) /
                 torch.tensor(self.std, device=x.device).view(3, 1, 1))
        return x.contiguous(memory_format=torch.channels_last)


def dense_as_convolution(net):
    """Debian's PyTorch multiplies matrices with the reference BLAS, where no other one
    is installed, but convolves by oneDNN: a mini-VGG's step takes half the time so."""
    def of(m):
        return lambda x: functional.conv2d(x[:, :, None, None], m.weight[:, :, None, None],
                                           m.bias).flatten(1)
    for m in net.modules():
        if isinstance(m, torch.nn.Linear):
            m.forward = of(m)


def epsilon_of(net):
    """What no tensor says; vggctl import reads it in the checkpoint."""
    norms = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    found = {m.eps for m in net.modules() if isinstance(m, norms)}
    return {"batchnorm_epsilon": found.pop()} if len(found) == 1 else {}


class Training:
    """What a recipe sets:

    make()          a network with fresh weights
    optimiser(p)    for its parameters
    rate(step, of)  the learning rate in a step
    source(epoch)   the pictures of an epoch
    validation      pictures that aren't trained with
    preprocess, batch, epochs, seed, out, device
    plan            what must be the same when it is resumed
    stored(state)   the state as it is to be kept: as it is, or rounded
    onnx            the network's file in `out`
    convolve_dense  whether dense layers are computed as convolutions
    """
    convolve_dense = True
    device = "cpu"
    onnx = "model.onnx"
    stop_after = None
    save_seconds = 600

    def seed_of(self, epoch):
        return (self.seed << 20) + epoch

    @staticmethod
    def stored(state):
        return state

    def __init__(self):
        self.history = []
        self.begin_epoch()
        self.rng = self.signal = None

    def begin_epoch(self):
        self.step = self.right = 0
        self.loss = 0.0

    def path(self, name):
        return os.path.join(self.out, name)

    # Checkpoints

    def random_state(self):
        state = {"cpu": torch.get_rng_state()}
        if self.device != "cpu":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def save(self):
        """Never half a file."""
        partial = self.path(CHECKPOINT + ".partial")
        torch.save({"net": self.net.state_dict(), "history": self.history,
                    "optimiser": self.opt.state_dict(), "plan": self.plan,
                    "step": self.step, "loss": self.loss, "right": self.right,
                    "rng": self.random_state(), **epsilon_of(self.net)}, partial)
        os.replace(partial, self.path(CHECKPOINT))
        self.saved = time.monotonic()

    def load(self):
        path = self.path(CHECKPOINT)
        again = "resume with the same options, or name another folder by --out"
        try:
            # A program, as all pickles; PyTorch 1.13's weights_only knows no floats.
            state = torch.load(path, map_location=self.device)
            plan = dict(state["plan"])
        except FileNotFoundError as e:
            raise Bad(path, "there is no checkpoint",
                      "start without --resume, or name the folder by --out") from e
        except Exception as e:
            raise Bad(path, "this is no checkpoint of a training, or not all of one",
                      "remove it and train again") from e
        for key in sorted({*plan, *self.plan}):
            if plan.get(key) != self.plan.get(key):
                raise Bad(path, f"was trained with {key} {plan.get(key)}, not "
                          f"{self.plan.get(key)}", again)
        try:
            self.net.load_state_dict(state["net"])
            self.opt.load_state_dict(state["optimiser"])
        except (KeyError, RuntimeError, ValueError) as e:
            raise Bad(path, "its weights are another network's", again) from e
        self.history, self.step = state["history"], state["step"]
        self.loss, self.right = state["loss"], state["right"]
        self.rng = state["rng"]

    # One epoch

    def begin_random(self, count):
        """The epoch's order; the generator is where the epoch was left."""
        torch.manual_seed(self.seed_of(len(self.history)))
        order = torch.randperm(count)
        if self.step:
            torch.set_rng_state(self.rng["cpu"].cpu())
            if "cuda" in self.rng:
                torch.cuda.set_rng_state(self.rng["cuda"].cpu(), self.device)
        return order

    def learn(self, data, chosen, rate, seed):
        for group in self.opt.param_groups:
            group["lr"] = rate
        x = self.preprocess(data.take(chosen, seed).to(self.device))
        labels = data.labels[chosen].to(self.device)
        out = self.net.logits(x)
        loss = functional.cross_entropy(out, labels)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.loss += loss.item() * len(chosen)
        self.right += (out.argmax(1) == labels).sum().item()
        if not math.isfinite(self.loss):
            raise Bad(f"epoch {len(self.history) + 1}, step {self.step + 1}",
                      f"the loss is {loss.item()}", "try a lower --rate")

    def pause(self, steps):
        """Between steps: what was asked for meanwhile."""
        if self.signal or self.steps_done == self.stop_after:
            self.save()
            raise Stopped(f"stopped in epoch {len(self.history) + 1} after "
                          f"{self.step} of {steps} steps; --resume goes on")
        if time.monotonic() - self.saved > self.save_seconds:
            self.save()
        if time.monotonic() - self.said > SAY_EVERY:
            self.said = time.monotonic()
            print(f"  step {self.step}/{steps}: loss "
                  f"{self.loss / self.step / self.batch:.4f}", flush=True)

    def train_epoch(self, data):
        """Only whole batches: what is left over comes in other epochs."""
        epoch = len(self.history)
        steps = len(data.labels) // self.batch
        order = self.begin_random(len(data.labels))
        self.net.train()
        while self.step < steps:
            at = self.step * self.batch
            seed = self.seed_of(epoch) * 10 ** 6 + self.step
            self.learn(data, order[at:at + self.batch],
                       self.rate(epoch * steps + self.step, self.epochs * steps), seed)
            self.step += 1
            self.steps_done += 1
            self.pause(steps)
        seen = steps * self.batch
        guess = math.log(len(data.classes))
        if self.loss / seen > DIVERGED * guess:
            raise Bad(f"epoch {epoch + 1}", f"the loss is {self.loss / seen:.4g}, that of "
                      f"guessing {guess:.4g}", "try a lower --rate")
        return self.loss / seen, self.right / seen

    # Between epochs

    def evaluate(self, net, data):
        """(mean loss, share of right answers)"""
        loss = right = 0
        with torch.no_grad():
            for at in range(0, len(data.labels), EVALUATE_AT_ONCE):
                part = slice(at, at + EVALUATE_AT_ONCE)
                labels = data.labels[part].to(self.device)
                out = net.logits(self.preprocess(data.take(part).to(self.device)))
                loss += functional.cross_entropy(out, labels, reduction="sum").item()
                right += (out.argmax(1) == labels).sum().item()
        return loss / len(data.labels), right / len(data.labels)

    def stored_net(self):
        """A copy with the weights as they are kept."""
        copy = self.make()
        copy.load_state_dict(self.stored(self.net.state_dict()))
        return copy.to(self.device).eval()

    def end_epoch(self, loss, accuracy, started):
        net = self.stored_net()
        v_loss, v_accuracy = self.evaluate(net, self.validation)
        self.history.append({"loss": loss, "accuracy": accuracy,
                             "validation_loss": v_loss,
                             "validation_accuracy": v_accuracy})
        self.begin_epoch()
        files.export(net.cpu(), self.validation.side, self.path(self.onnx))
        with open(self.path("curves.svg"), "w", encoding="ascii") as file:
            file.write(curves.draw(self.history, self.plan["recipe"]))
        self.save()
        print(f"epoch {len(self.history)}/{self.epochs}: loss {loss:.4f}, "
              f"training {accuracy:.2%}, validation {v_accuracy:.2%}, "
              f"{time.monotonic() - started:.0f} s", flush=True)

    def start(self, resume):
        if not resume and os.path.exists(self.path(CHECKPOINT)):
            raise Bad(self.path(CHECKPOINT), "there is a training already",
                      "add --resume to go on, or name another folder by --out")
        try:
            os.makedirs(self.out, exist_ok=True)
        except OSError as e:
            raise Bad(self.out, e.strerror, "name another folder by --out") from e
        torch.manual_seed(self.seed)
        net = self.make()
        try:
            self.net = net.to(self.device, memory_format=torch.channels_last)
        except (AssertionError, RuntimeError) as e:
            raise Bad(f"--device {self.device}", str(e).splitlines()[0],
                      "name cpu, or what PyTorch has here") from e
        if self.convolve_dense:
            dense_as_convolution(self.net)
        self.opt = self.optimiser(self.net.parameters())
        if resume:
            self.load()

    def run_epochs(self):
        self.steps_done = 0
        self.saved = self.said = time.monotonic()
        while len(self.history) < self.epochs:
            started = time.monotonic()
            data = self.source(len(self.history))
            self.end_epoch(*self.train_epoch(data), started)

    def run(self):
        """To the end, or to the step in which a signal comes."""
        before = {n: signal.signal(n, lambda n, _: setattr(self, "signal", n))
                  for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.run_epochs()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
