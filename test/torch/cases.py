"""Layers, losses, optimizers and ops with random options, computed by PyTorch in doubles, for test/torch.test.ts.

    python3 test/torch/cases.py [times]

writes all.safetensors, with `times` (default 1) as many cases of each kind, and the first of each kind, as many as fit
into 200 kB, to cases.safetensors, which is committed. Made with PyTorch 1.13 (Debian's python3-torch), which has no
RMSNorm and no CircularPad2d: their formulas are here. Long, since each family of cases has options of its own.

The header's metadata has a list of cases, each as PyTorch is called; the tensors of case k are
    k.in.x, k.in.target, ...      the inputs
    k.weights.NAME                the weights before, in PyTorch's order
    k.out.y, k.out.losses         the result, or the loss of each training step
    k.grad.x, k.grad.NAME         the gradients of sum(y * cos(i)), with i the number of the element in y
    k.after.NAME                  the weights after the training steps, or the running statistics after one batch
Activations are stored with channels last.
"""

import json
import random
import struct
import sys
import zlib
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
BUDGET = 200_000
STEPS = 5
DTYPES = {torch.float64: ("F32", torch.float32), torch.int64: ("I32", torch.int32)}
torch.set_default_dtype(torch.float64)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axes."""

    def __init__(self, shape, eps=2.0**-23, elementwise_affine=True):
        super().__init__()
        self.axes, self.eps = tuple(range(-len(shape), 0)), eps
        self.weight = nn.Parameter(torch.ones(shape)) if elementwise_affine else None

    def forward(self, x):
        y = x * torch.rsqrt(x.square().mean(self.axes, keepdim=True) + self.eps)
        return y if self.weight is None else y * self.weight


class CircularPad2d(nn.Module):
    def __init__(self, padding):
        super().__init__()
        self.padding = padding

    def forward(self, x):
        return F.pad(x, self.padding, mode="circular")


OWN = {"RMSNorm": RMSNorm, "CircularPad2d": CircularPad2d}


def named(call):
    """How PyTorch is called."""
    kind, args, options = call
    return f"{kind}({', '.join([repr(a) for a in args] + [f'{k}={v!r}' for k, v in options.items()])})"


def built(kind, args, options):
    weights = {k: torch.tensor(v) if k in ("weight", "pos_weight") else v for k, v in options.items()}
    return (OWN.get(kind) or getattr(nn, kind))(*args, **weights)


def rounded(t):
    """The nearest floats: what both sides begin with."""
    return t.float().double()


def drawn(shape, ties=False):
    """Normal numbers, or quarters, of which many are equal."""
    x = torch.randn(shape)
    return rounded((x * 4).round() / 4 if ties else x)


def stored(t, channels=True):
    """Channels last."""
    return t.movedim(1, -1) if channels and t.dim() > 2 else t


def differentiate(y, channels):
    """The gradients of sum(y * cos(i)). Of a gradient that is not contiguous, 1.13's instance norm gives wrong ones."""
    dy = torch.arange(y.numel()).double().cos().reshape(stored(y, channels).shape)
    y.backward((dy.movedim(-1, 1) if channels and y.dim() > 2 else dy).contiguous())


def model_of(layers):
    """The layers in a row, with random weights and running statistics."""
    model = built(*layers[0]) if len(layers) == 1 else nn.Sequential(*[built(*layer) for layer in layers])
    for name, v in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            v.fill_(random.randrange(4))
        elif name.endswith("running_var"):
            v.copy_(rounded(torch.rand(v.shape) + 0.5))
        else:
            v.copy_(rounded(v + 0.3 * torch.randn(v.shape)))
    return model


def prefixed(prefix, tensors):
    return {f"{prefix}.{name}": t.detach().clone() for name, t in tensors}


def gradients(inputs, parameters=()):
    return prefixed("grad", [(name, t.grad) for name, t in [*inputs.items(), *parameters] if t.requires_grad])


def of_layers(layers, shape, training=False, channels=True, ties=False):
    """One forward and backward of layers on x."""
    model = model_of(layers).train(training)
    tensors = prefixed("weights", model.state_dict().items())
    x = drawn(shape, ties).requires_grad_()
    y = model(x)
    differentiate(y, channels)
    tensors |= {"in.x": stored(x, channels), "out.y": stored(y, channels)}
    tensors |= gradients({"x": x}, model.named_parameters())
    tensors["grad.x"] = stored(tensors["grad.x"], channels)
    if training:
        # PyTorch's instance norm does not count batches.
        counts = "InstanceNorm" in str(model)
        tensors |= prefixed("after", [b for b in model.named_buffers() if not (counts and b[0].endswith("tracked"))])
    return tensors


def of_training(layers, shape, loss, target, optimizer):
    """Training steps on one batch, and the weights after them."""
    model, x, t = model_of(layers), drawn(shape), target()
    tensors = {"in.x": stored(x), "in.target": t, **prefixed("weights", model.state_dict().items())}
    kind, options = optimizer
    step, judge, losses = getattr(torch.optim, kind)(model.parameters(), **options), built(*loss), []
    for _ in range(STEPS):
        step.zero_grad()
        losses.append(judge(model(x), t))
        losses[-1].backward()
        step.step()
    return {**tensors, "out.losses": torch.stack(losses), **prefixed("after", model.state_dict().items())}


def of_call(call, inputs, channels=False):
    """A loss, or a function of torch, of inputs by name."""
    kind, _, options = call
    for name, t in inputs.items():
        t.requires_grad_(t.is_floating_point() and name != "target")
    y = built(*call)(**inputs) if hasattr(nn, kind) else getattr(torch, kind)(**inputs, **options)
    y = y[0] if isinstance(y, tuple) else y
    differentiate(y, channels)
    tensors = {f"in.{name}": t for name, t in inputs.items()} | gradients(inputs)
    return {**{name: stored(t, channels) for name, t in tensors.items()}, "out.y": y}


# Each family draws one case: what is described, and what it is computed by.


def layers_case(layers, shape, **how):
    name = " ".join(named(layer) for layer in layers) + f" of {list(shape)}"
    extras = [word for word in ("training", "ties") if how.get(word)]
    case = {"name": ", ".join([name, *extras]), "layers": layers, "training": how.get("training", False)}
    return case, lambda: of_layers(layers, shape, **how)


def some(r, **options):
    """Some of the options, each with one of its values; `...` leaves the default."""
    chosen = {name: r.choice(values) for name, values in options.items()}
    return {name: v for name, v in chosen.items() if v is not ...}


def next_of(r, all, order):
    """Each of all in turn, in a random order, which is kept in `order`."""
    if not order:
        order += r.sample(list(all), len(all))
    return order.pop()


def images(r, channels, smallest=5):
    return (r.choice([1, 2]), channels, r.randint(smallest, 7), r.randint(smallest, 7))


def conv(r):
    groups = r.choice([1, 1, 2, 3])
    args = (groups * r.choice([1, 2]), groups * r.choice([1, 2, 3]))
    options = some(r, stride=[..., 1, 2], dilation=[..., 2], padding=[..., 1, 2, "same", "valid"], bias=[..., False])
    options |= some(r, padding_mode=[..., ..., "reflect", "replicate", "circular", "zeros"]) | {"groups": groups}
    if r.random() < 0.4:
        length = r.randint(6, 11)
        return layers_case([("Conv1d", (*args, r.randint(1, 4)), options)], (2, args[0], length))
    options |= some(r, padding=[(1, 0), (0, 2), options.get("padding", 0)], stride=[(1, 2), options.get("stride", 1)])
    kernel = r.choice([1, 2, 3, (2, 3), (3, 1)])
    return layers_case([("Conv2d", (*args, kernel), options)], images(r, args[0]))


def transposed(r):
    groups = r.choice([1, 1, 2, 3])
    args = (groups * r.choice([1, 2]), groups * r.choice([1, 2]))
    options = some(r, stride=[..., 2, 3], dilation=[..., 2], padding=[..., 1], output_padding=[..., 1])
    options |= some(r, bias=[..., False]) | {"groups": groups}
    if r.random() < 0.4:
        return layers_case([("ConvTranspose1d", (*args, r.randint(1, 4)), options)], (2, args[0], r.randint(3, 6)))
    options |= some(r, padding=[(1, 0), options.get("padding", 0)], stride=[(1, 2), options.get("stride", 1)])
    kernel, size = r.choice([1, 2, 3, (2, 3)]), (r.randint(3, 5), r.randint(3, 5))
    return layers_case([("ConvTranspose2d", (*args, kernel), options)], (1, args[0], *size))


def pool(r):
    kind = r.choice(["MaxPool", "AvgPool"])
    options = some(r, stride=[..., 1, 2, 3], padding=[..., 1], ceil_mode=[..., True])
    options |= some(r, dilation=[..., 2]) if kind == "MaxPool" else some(r, count_include_pad=[..., False])
    ties = kind == "MaxPool" and r.random() < 0.3
    if r.random() < 0.25:
        return layers_case([(kind + "1d", (r.choice([2, 3]),), options)], (2, 3, r.randint(6, 11)), ties=ties)
    if kind == "AvgPool":
        options |= some(r, divisor_override=[..., ..., 3])
    kernel = r.choice([2, 3, (3, 2)])
    return layers_case([(kind + "2d", (kernel,), options)], images(r, r.choice([1, 3])), ties=ties)


def adaptive(r):
    kind = r.choice(["AdaptiveAvgPool", "AdaptiveMaxPool"])
    if r.random() < 0.25:
        return layers_case([(kind + "1d", (r.randint(1, 6),), {})], (2, 3, r.randint(5, 9)))
    return layers_case([(kind + "2d", (r.choice([1, 2, 3, (2, 4), (5, 3)]),), {})], images(r, 3))


def upsample(r):
    sizes = [{"size": size} for size in ((7, 5), 9, (3, 3))]
    to = r.choice(sizes + [{"scale_factor": scale} for scale in (2, 1.5, 0.6, (2, 3))])
    bilinear = r.choice([{}, {"mode": "bilinear"}, {"mode": "bilinear", "align_corners": True}])
    return layers_case([("Upsample", (), {**to, **bilinear})], images(r, 2, smallest=4))


def pads(r):
    kind = r.choice(["ZeroPad2d", "ReflectionPad2d", "ReplicationPad2d", "CircularPad2d"])
    padding = tuple(r.randint(0, 3) for _ in range(4))
    return layers_case([(kind, (padding,), {})], images(r, 2, smallest=4))


def running_norm(r):
    kind = r.choice(["BatchNorm", "BatchNorm", "InstanceNorm"])
    averages = [..., 0.3, None] if kind == "BatchNorm" else [..., 0.3]
    options = some(r, eps=[..., 1e-3], momentum=averages, affine=[True, ..., False])
    options["track_running_stats"] = r.choice([True, True, False])
    # A trainer needs a weight. In a layer before, y depends neither on a bias nor on the size of a single number.
    alone = not options["track_running_stats"] or options.get("affine", kind == "BatchNorm")
    C = r.choice([1, 3, 4] if alone else [2, 3, 4])
    shapes = [(4, C, 5), images(r, C)] + ([(6, C)] if kind == "BatchNorm" else [])
    shape = r.choice(shapes)
    layer = (kind + ("2d" if len(shape) == 4 else "1d"), (C,), options)
    before = {2: ("Linear", (C, C)), 3: ("Conv1d", (C, C, 1)), 4: ("Conv2d", (C, C, 1))}[len(shape)]
    layers = [layer] if alone else [(*before, {"bias": False}), layer]
    return layers_case(layers, shape, training=r.choice([True, False]))


def norm(r):
    kind = r.choice(["GroupNorm", "LayerNorm", "RMSNorm"])
    if kind == "GroupNorm":
        groups, C = r.choice([(1, 3), (2, 2), (2, 4), (3, 6)])
        shape = r.choice([(2, C, 5), images(r, C)])
        return layers_case([(kind, (groups, C), some(r, eps=[..., 1e-3], affine=[..., False]))], shape)
    options = some(r, eps=[..., 1e-3], elementwise_affine=[..., ..., False])
    last = r.choice([(7,), (3, 4), (40,)])
    return layers_case([(kind, (last,), options)], (3, *last), channels=False)


ACTIVATIONS = [(kind, {}) for kind in ("SELU", "ELU", "CELU", "Mish", "Hardswish", "Hardsigmoid", "ReLU6", "Softplus")]
ACTIVATIONS += [(kind, {}) for kind in ("LogSigmoid", "SiLU", "Sigmoid", "Tanh", "ReLU", "GELU", "LeakyReLU")]
ACTIVATIONS += [("ELU", {"alpha": 0.7}), ("CELU", {"alpha": 1.3}), ("LeakyReLU", {"negative_slope": 0.2})]
ACTIVATIONS += [("GELU", {"approximate": "tanh"})]


def activation(r, order=[]):
    kind, options = next_of(r, ACTIVATIONS, order)
    return layers_case([(kind, (), options)], (4, r.randint(5, 9)), ties=r.random() < 0.3)


def prelu(r):
    C = r.choice([1, 3])
    return layers_case([("PReLU", (C,), some(r, init=[..., 0.1]))], (2, 3, 2, 4))


def softmax(r):
    kind, axis = r.choice(["Softmax", "LogSoftmax"]), r.choice([0, 1, 2, -1])
    return layers_case([(kind, (), {"dim": axis})], (3, 4, 5), channels=False)


def loss(r):
    kind = r.choice(["CrossEntropyLoss"] * 4 + ["BCEWithLogitsLoss", "MSELoss", "L1Loss", "HuberLoss"])
    options = some(r, reduction=[..., "sum", "mean"])
    C, ignored = r.randint(2, 6), False
    shape = r.choice([(5, C), (2, C, 3)])
    weights = [round(r.uniform(0.2, 2), 2) for _ in range(C)]
    if kind == "CrossEntropyLoss":
        options |= some(r, label_smoothing=[..., 0.1, 0.4], weight=[..., weights])
        dense = r.random() < 0.3
        if not dense and r.random() < 0.4:
            options["ignore_index"], ignored = r.choice([-100, 1]), True
    elif kind == "BCEWithLogitsLoss":
        shape = (5, C)
        options |= some(r, pos_weight=[..., weights])
    elif kind == "HuberLoss":
        options |= some(r, delta=[..., 0.5])

    def computed():
        x = drawn(shape)
        if kind in ("MSELoss", "L1Loss", "HuberLoss"):
            target = drawn(shape)
        elif kind == "BCEWithLogitsLoss":
            target = rounded(torch.rand(shape))
        elif dense:
            target = rounded(torch.randn(shape).softmax(1))
        else:
            target = torch.randint(C, (shape[0], *shape[2:]))
            if ignored:
                target.reshape(-1)[:2] = torch.tensor([options["ignore_index"], 0])  # one that is not ignored, too
        return of_call((kind, (), options), {"input": x, "target": target}, channels=True)

    targets = " of probabilities" if kind == "CrossEntropyLoss" and dense else ""
    return {"name": f"{named((kind, (), options))} of {list(shape)}{targets}", "loss": (kind, (), options)}, computed


OPS = {
    "pow": lambda r: {},
    "logsumexp": lambda r: {"dim": r.choice([0, -1, (0, 1), (0, 2)]), **some(r, keepdim=[..., True])},
    "var": lambda r: {"dim": r.choice([0, -1, (0, 2)]), **some(r, keepdim=[..., True], correction=[1, 0])},
    "amax": lambda r: {"dim": r.choice([0, 1, (0, 2)]), **some(r, keepdim=[..., True])},
    "prod": lambda r: {"dim": r.choice([0, 1, -1]), **some(r, keepdim=[..., True])},
    "cumsum": lambda r: {"dim": r.choice([0, 1, -1])},
    "gather": lambda r: {"dim": r.choice([0, 1, 2])},
    "topk": lambda r: {"k": r.choice([1, 2]), "dim": r.choice([0, 1, -1]), **some(r, largest=[..., False])},
}


def op(r, order=[]):
    kind = next_of(r, OPS, order)
    options, shape = OPS[kind](r), (2, 3, r.randint(3, 5))
    ties, other = kind in ("amax", "prod"), r.choice([shape, shape[-1:], (1,)])
    index = [n if axis == options.get("dim") else r.randint(1, n) for axis, n in enumerate(shape)]
    seconds = {
        "pow": lambda: {"exponent": drawn(other)},
        "gather": lambda: {"index": torch.randint(shape[options["dim"]], index)},
    }
    second = {"pow": f", {list(other)}", "gather": f", {index}"}.get(kind, "")

    def computed():
        x = rounded(torch.rand(shape) + 0.2) if kind == "pow" else drawn(shape, ties)
        return of_call((kind, (), options), {"input": x, **seconds.get(kind, dict)()})

    name = f"{named((kind, (), options))} of {list(shape)}{second}"
    return {"name": name, "op": (kind, (), options)}, computed


OPTIMIZERS = {
    "SGD": lambda r: {"momentum": 0.9, "nesterov": True} if r.random() < 0.4 else some(r, momentum=[..., 0.5]),
    "Adam": lambda r: some(r, betas=[..., (0.8, 0.99)], eps=[..., 1e-6], amsgrad=[..., True]),
    "AdamW": lambda r: some(r, betas=[..., (0.7, 0.9)], amsgrad=[..., True]),
    # Its first steps are ten times as long as the rate.
    "RMSprop": lambda r: {"lr": r.choice([0.001, 0.005])}
    | some(r, alpha=[..., 0.9], momentum=[..., 0.9], centered=[..., True], eps=[..., 1e-6]),
    "Adagrad": lambda r: some(r, lr_decay=[..., 0.1], initial_accumulator_value=[..., 0.1]),
}


def training(r, order=[]):
    kind = next_of(r, OPTIMIZERS, order)
    options = {"lr": r.choice([0.01, 0.05]), **OPTIMIZERS[kind](r), **some(r, weight_decay=[..., 0.1])}
    relu, flatten = (r.choice(["ReLU", "GELU", "ELU", "SiLU"]), (), {}), ("Flatten", (), {})
    conv1d = ("Conv1d", (2, 4, 3), {"stride": 2, "bias": False})
    conv2d = ("Conv2d", (2, 3, 3), {"padding": 1, "bias": False})
    pool, mean = ("MaxPool2d", (2,), {}), ("AdaptiveAvgPool2d", (1,), {})
    linear = lambda inputs: ("Linear", (inputs, 3), {})
    networks = [
        ([conv2d, ("BatchNorm2d", (3,), {}), relu, pool, flatten, linear(27)], (5, 2, 6, 6)),
        ([conv2d, ("GroupNorm", (3, 3), {}), relu, mean, flatten, linear(3)], (4, 2, 5, 5)),
        ([conv1d, ("BatchNorm1d", (4,), {}), relu, flatten, linear(16)], (5, 2, 9)),
        ([("Linear", (6, 8), {}), ("LayerNorm", (8,), {}), relu, linear(8)], (7, 6)),
    ]
    layers, shape = r.choice(networks)
    classes = r.random() < 0.7
    loss = ("CrossEntropyLoss", (), some(r, label_smoothing=[..., 0.1])) if classes else ("MSELoss", (), {})
    target = lambda: torch.randint(3, shape[:1]) if classes else drawn((shape[0], 3))
    network = "-".join(kind for kind, _, _ in layers)
    name = f"{network} with {named(loss)} by {named((kind, (), options))}"
    case = {"name": name, "layers": layers, "training": True, "loss": loss, "optimizer": (kind, (), options)}
    return case, lambda: of_training(layers, shape, loss, target, (kind, options))


FAMILIES = {conv: 40, transposed: 24, pool: 32, adaptive: 12, upsample: 16, pads: 10, running_norm: 32, norm: 24}
FAMILIES |= {activation: 24, prelu: 4, softmax: 6, loss: 40, op: 40, training: 30}


def family_cases(family, count):
    """So many different cases; what PyTorch refuses is drawn again."""
    r, found, tries = random.Random(family.__name__), {}, 0
    while len(found) < count and tries < 30 * count:
        tries += 1
        case, compute = family(r)
        seed = zlib.crc32(case["name"].encode())
        random.seed(seed)
        torch.manual_seed(seed)
        try:
            found.setdefault(case["name"], (case, compute()))
        except (RuntimeError, ValueError):
            pass
    return list(found.values())


def safetensors(cases):
    """A file: the header's length, the header, the data. https://github.com/huggingface/safetensors#format"""
    header, data, end = {"__metadata__": {"cases": json.dumps([case for case, _ in cases])}}, [], 0
    for k, (_, tensors) in enumerate(cases):
        for name, t in tensors.items():
            dtype, kind = ("I64", torch.int64) if name.endswith("tracked") else DTYPES[t.dtype]
            bytes_ = t.detach().to(kind).contiguous().numpy().tobytes()
            header[f"{k}.{name}"] = {"dtype": dtype, "shape": list(t.shape), "data_offsets": [end, end + len(bytes_)]}
            end += len(bytes_)
            data.append(bytes_)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data)


def within(budget, families):
    """The first cases of each family, as many as fit."""
    for percent in range(100, 0, -1):
        chosen = [case for family in families for case in family[: -(-len(family) * percent // 100)]]
        if len(safetensors(chosen)) <= budget:
            return chosen


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    families = [family_cases(family, count * times) for family, count in FAMILIES.items()]
    usual = [cases[:count] for cases, count in zip(families, FAMILIES.values())]
    for name, cases in (("all", sum(families, [])), ("cases", within(BUDGET, usual))):
        (HERE / f"{name}.safetensors").write_bytes(safetensors(cases))
        print(f"{name}.safetensors: {len(cases)} cases")


if __name__ == "__main__":
    main()
