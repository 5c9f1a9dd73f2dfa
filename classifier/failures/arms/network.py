"""A dense network of two hidden layers (PyTorch), on the compact blocks or the embedding."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from ..matrix import Block
from ..resampling import Resampling, Rows
from .arm import Floats
from .keeping import damaged
from .labelled import Labels
from .table import COMPACT, Counts, Scaling, TableArm, dense

FILE = "weights.safetensors"
HELD_OUT = 0.15  # newest share that says when to stop
FEWEST_HELD_OUT = 40


class NetworkArm(TableArm):
    """Two hidden layers with dropout; stops ``patience`` epochs after the best on the newest 15 %.

    Runs on the accelerator where there is one. One seed draws weights, batches and dropout, so a
    fit on a processor can be repeated.
    """

    name = "network"

    network_: nn.Module

    def __init__(
        self,
        *,
        blocks: Sequence[Block] = COMPACT,
        fewest: int = 5,
        counts: Counts = "log",
        scaling: Scaling = "robust",
        resampling: Resampling = "none",
        hidden: int = 64,
        dropout: float = 0.3,
        epochs: int = 100,
        patience: int = 5,
        batch: int = 128,
        learning_rate: float = 1e-3,
        decay: float = 1e-3,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        """``decay``: of the weights, decoupled from the gradient (AdamW)."""
        super().__init__(
            blocks=blocks,
            fewest=fewest,
            counts=counts,
            scaling=scaling,
            resampling=resampling,
            seed=seed,
            threads=threads,
        )
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.batch = batch
        self.learning_rate = learning_rate
        self.decay = decay

    def _learn(self, rows: Rows, labels: Labels) -> None:
        split = len(labels) - int(HELD_OUT * len(labels))
        if len(labels) - split < FEWEST_HELD_OUT:
            split = len(labels)
        sample = self._sample(rows[:split], labels[:split])
        device, before = _device(), torch.get_num_threads()
        torch.set_num_threads(self.threads)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            network = self._make(rows.shape[1]).to(device)
            older = (
                torch.from_numpy(dense(sample.rows)).to(device),
                torch.from_numpy(sample.labels).to(device),
                torch.from_numpy(sample.weights.astype(np.float32)).to(device),
            )
            newer = (
                torch.from_numpy(dense(rows[split:])).to(device),
                torch.from_numpy(labels[split:]).to(device),
            )
            self._train(network, older, newer)
        torch.set_num_threads(before)
        self.network_ = network.eval().cpu()

    def _make(self, width: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(width, self.hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, self.hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, len(self.classes_)),
        )

    def _train(
        self, network: nn.Sequential, older: tuple[Any, Any, Any], newer: tuple[Any, Any]
    ) -> None:
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.decay
        )
        best, lowest, since = copy.deepcopy(network.state_dict()), np.inf, 0
        for _ in range(self.epochs):
            self._epoch(network, optimizer, older)
            if not len(newer[1]):  # too few tasks to hold some out: all epochs
                continue
            loss = _held_out_loss(network, newer)
            since = 0 if loss < lowest else since + 1
            if not since:
                best, lowest = copy.deepcopy(network.state_dict()), loss
            elif since >= self.patience:
                break
        if len(newer[1]):
            network.load_state_dict(best)

    def _epoch(self, network: nn.Module, optimizer: Any, older: tuple[Any, Any, Any]) -> None:
        rows, labels, weights = older
        network.train()
        for part in torch.randperm(len(labels), device=labels.device).split(self.batch):
            optimizer.zero_grad()
            losses = nn.functional.cross_entropy(
                network(rows[part]), labels[part], reduction="none"
            )
            (losses * weights[part]).mean().backward()
            optimizer.step()

    def _say(self, rows: Rows) -> Floats:
        with torch.inference_mode():
            logits = self.network_(torch.from_numpy(dense(rows)))
            return np.asarray(logits.double().softmax(dim=1).numpy(), dtype=np.float64)

    def _kept(self) -> dict[str, bytes]:
        return {FILE: save(self.network_.state_dict())}

    def _read(self, files: Mapping[str, bytes]) -> None:
        network = self._make(self.table_.width).eval()
        with damaged(self.name, SafetensorError, RuntimeError):
            network.load_state_dict(load(files[FILE]))
        self.network_ = network


def _held_out_loss(network: nn.Module, newer: tuple[Any, Any]) -> float:
    network.eval()
    with torch.inference_mode():
        return float(nn.functional.cross_entropy(network(newer[0]), newer[1]))


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
