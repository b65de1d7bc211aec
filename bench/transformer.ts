// A decoder-only transformer out of public ops alone, as a user writes it: pre-norm blocks of causal attention and a GELU MLP,
// learned positions, an untied head. https://arxiv.org/abs/1706.03762, https://arxiv.org/abs/2002.04745

import type { Tensor, Variable } from '../src/graph/tensor.ts';
import { Embedding } from '../src/nn/embedding.ts';
import * as init from '../src/nn/init.ts';
import { parameter } from '../src/nn/layer.ts';
import { LayerNorm } from '../src/nn/layer-norm.ts';
import { Linear } from '../src/nn/linear.ts';
import { gelu } from '../src/ops/activations.ts';
import { add, less, mul } from '../src/ops/binary.ts';
import { iota } from '../src/ops/counter.ts';
import { matmul } from '../src/ops/matmul.ts';
import { transpose } from '../src/ops/movement.ts';
import { reshape } from '../src/ops/reshape.ts';
import { where } from '../src/ops/select.ts';
import { softmax } from '../src/ops/softmax.ts';

/** Sizes of a {@link Transformer}. */
export interface TransformerSizes {
  readonly layers: number;
  /** V */
  readonly vocabulary: number;
  /** T */
  readonly length: number;
  /** C, a multiple of the heads. */
  readonly width: number;
  /** H */
  readonly heads: number;
}

/** Initial embeddings, as GPT-2's. */
const SMALL = init.normal(0, 0.02);

/** Tokens, u32 (B, T), to logits of each next token (B, T, V). */
export class Transformer {
  readonly tokens: Embedding;
  /** (T, C) */
  readonly positions: Variable;
  readonly blocks: readonly Block[];
  readonly norm: LayerNorm;
  readonly head: Linear;

  constructor({ layers, vocabulary, length, width, heads }: TransformerSizes) {
    this.tokens = new Embedding(vocabulary, width, { initialWeight: SMALL });
    this.positions = parameter([length, width], SMALL);
    this.blocks = Array.from({ length: layers }, () => new Block(width, heads));
    this.norm = new LayerNorm(width);
    this.head = new Linear(width, vocabulary, { bias: false });
  }

  forward(tokens: Tensor): Tensor {
    const x = add(this.tokens.forward(tokens), this.positions);
    const y = this.blocks.reduce((h, block) => block.forward(h), x);
    return this.head.forward(this.norm.forward(y));
  }
}

/** x + attention(norm(x)), then x + mlp(norm(x)). */
class Block {
  readonly norm1: LayerNorm;
  readonly attention: CausalAttention;
  readonly norm2: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;

  constructor(width: number, heads: number) {
    this.norm1 = new LayerNorm(width);
    this.attention = new CausalAttention(width, heads);
    this.norm2 = new LayerNorm(width);
    this.up = new Linear(width, 4 * width);
    this.down = new Linear(4 * width, width);
  }

  forward(x: Tensor): Tensor {
    const h = add(x, this.attention.forward(this.norm1.forward(x)));
    return add(h, this.down.forward(gelu(this.up.forward(this.norm2.forward(h)))));
  }
}

/** Every head's softmax(q·kᵀ / √D, masked at later positions) · v. */
class CausalAttention {
  readonly heads: number;
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly out: Linear;

  constructor(width: number, heads: number) {
    this.heads = heads;
    this.query = new Linear(width, width);
    this.key = new Linear(width, width);
    this.value = new Linear(width, width);
    this.out = new Linear(width, width);
  }

  forward(x: Tensor): Tensor {
    const [B, T, C] = x.shape as [number, number, number];
    const H = this.heads;
    const D = C / H;
    const split = (y: Tensor) => transpose(reshape(y, [B, T, H, D]), [0, 2, 1, 3]); // (B, H, T, D)
    const [q, k, v] = [this.query, this.key, this.value].map((layer) => split(layer.forward(x)));
    const scores = mul(matmul(q!, k!, { transposeB: true }), 1 / Math.sqrt(D)); // (B, H, T, T)
    const later = less(reshape(iota(T), [T, 1]), reshape(iota(T), [1, T]));
    const y = matmul(softmax(where(later, -1e9, scores)), v!); // (B, H, T, D)
    return this.out.forward(reshape(transpose(y, [0, 2, 1, 3]), [B, T, C]));
  }
}
