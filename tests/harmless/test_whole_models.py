"""Whole models, made from ``transformers`` configurations with tiny random weights; nothing is downloaded."""

from __future__ import annotations

import importlib
import os

import pytest
import torch
from loops import randn, tensors, total
from scenario import Row, rows

from gradwalk.reference.whole import check_step

os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 32}
GROUPED = {**SMALL, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 16}
PIXELS = {"image_size": 16, "patch_size": 8, "num_channels": 3}
SOUND = {"conv_dim": (8, 8), "conv_stride": (4, 2), "conv_kernel": (4, 2), "num_feat_extract_layers": 2}


def made(family, name, config="", **settings):
    """A model of the module ``transformers.models.FAMILY``, whose configuration is called as its family is, or ``config``."""
    module = importlib.import_module(f"transformers.models.{family}")
    kind = getattr(module, name)
    return kind(getattr(module, config or kind.config_class.__name__)(**settings)).train()


def fit(model, *, steps=2, **inputs):
    optimizer, outputs, losses = torch.optim.AdamW(model.parameters(), lr=0.01), [], []
    for _ in range(steps):
        optimizer.zero_grad()
        output = model(**inputs).to_tuple()
        loss = total(output)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        outputs += list(tensors(output))
    return model, outputs, losses


def words(*shape, high=32):
    return torch.randint(0, high, shape)


def text(family, name, **settings):
    ids = words(2, 6)
    return fit(made(family, name, **settings), input_ids=ids, labels=ids, attention_mask=torch.ones_like(ids))


def image(family, name, size=16, **settings):
    return fit(made(family, name, **settings), pixel_values=randn(2, 3, size, size), labels=torch.tensor([0, 1]))


def translation(family, name, **settings):
    return fit(made(family, name, **settings), input_ids=words(2, 6), labels=words(2, 4))


def clip():
    small = {k: v for k, v in SMALL.items() if k != "vocab_size"}
    model = made(
        "clip",
        "CLIPModel",
        text_config={**SMALL, "max_position_embeddings": 8},
        vision_config={**small, **PIXELS},
        projection_dim=8,
    )
    return fit(model, input_ids=words(2, 6), pixel_values=randn(2, 3, 16, 16), return_loss=True)


def whisper():
    layers = {
        f"{part}_{what}": n
        for part in ("encoder", "decoder")
        for what, n in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 24))
    }
    places = {"max_source_positions": 8, "max_target_positions": 8, "num_mel_bins": 6, "vocab_size": 32}
    special = {
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 1,
        "suppress_tokens": None,
        "begin_suppress_tokens": None,
    }
    model = made("whisper", "WhisperForConditionalGeneration", d_model=16, **layers, **places, **special)
    return fit(model, input_features=randn(2, 6, 16), labels=words(2, 4))


def wav2vec():
    model = made(
        "wav2vec2",
        "Wav2Vec2ForCTC",
        **SMALL,
        **SOUND,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        mask_time_prob=0.0,
    )
    return fit(model, input_values=randn(2, 160), labels=words(2, 3, high=31) + 1)


def detr():
    from transformers.models.resnet import ResNetConfig

    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=["stage2"])
    heads = {
        f"{part}_{what}": n
        for part in ("encoder", "decoder")
        for what, n in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 16))
    }
    model = made(
        "detr", "DetrModel", backbone_config=backbone, use_timm_backbone=False, backbone=None, d_model=16, num_queries=3, **heads
    )
    return fit(model, pixel_values=randn(1, 3, 32, 32))


T5 = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2, "vocab_size": 32, "decoder_start_token_id": 0}
BART = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "vocab_size": 32,
    "max_position_embeddings": 16,
}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1]}
OPT = {
    "hidden_size": 16,
    "word_embed_proj_dim": 16,
    "ffn_dim": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 16,
}
MAMBA = {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "vocab_size": 32, "time_step_rank": 2}

TABLE = [
    Row("BERT", lambda: text("bert", "BertForMaskedLM", **SMALL), "embedding layer_norm linear cross_entropy"),
    Row("RoBERTa", lambda: text("roberta", "RobertaForCausalLM", **SMALL, is_decoder=True), "embedding layer_norm"),
    Row(
        "DistilBERT",
        lambda: text("distilbert", "DistilBertForMaskedLM", dim=16, hidden_dim=24, n_layers=1, n_heads=2, vocab_size=32),
        "embedding layer_norm",
    ),
    Row("ELECTRA", lambda: text("electra", "ElectraForMaskedLM", **SMALL, embedding_size=8), "embedding layer_norm"),
    Row(
        "ALBERT, its layers shared",
        lambda: text("albert", "AlbertForMaskedLM", **SMALL, embedding_size=8),
        "embedding layer_norm",
    ),
    Row(
        "GPT-2",
        lambda: text("gpt2", "GPT2LMHeadModel", n_embd=16, n_layer=2, n_head=2, n_positions=16, vocab_size=32),
        "addmm layer_norm cross_entropy",
    ),
    Row("GPT-NeoX", lambda: text("gpt_neox", "GPTNeoXForCausalLM", **SMALL), "linear layer_norm"),
    Row("OPT", lambda: text("opt", "OPTForCausalLM", **OPT), "linear layer_norm"),
    Row(
        "BLOOM",
        lambda: text("bloom", "BloomForCausalLM", hidden_size=16, n_layer=1, n_head=2, vocab_size=32),
        "linear layer_norm",
    ),
    Row("Llama", lambda: text("llama", "LlamaForCausalLM", **GROUPED), "linear rsqrt silu"),
    Row("Qwen2", lambda: text("qwen2", "Qwen2ForCausalLM", **GROUPED), "linear rsqrt silu"),
    Row("Gemma", lambda: text("gemma", "GemmaForCausalLM", **GROUPED), "linear rsqrt gelu"),
    Row(
        "Mixtral, a mixture of experts",
        lambda: text("mixtral", "MixtralForCausalLM", **GROUPED, num_local_experts=3, output_router_logits=True),
        "linear topk",
    ),
    Row("Mamba", lambda: text("mamba", "MambaForCausalLM", **MAMBA), "conv1d exp linear"),
    Row("T5", lambda: translation("t5", "T5ForConditionalGeneration", **T5), "linear scaled_dot_product_attention relu"),
    Row("BART", lambda: translation("bart", "BartForConditionalGeneration", **BART), "linear layer_norm"),
    Row(
        "ViT",
        lambda: image("vit", "ViTForImageClassification", **{k: v for k, v in SMALL.items() if k != "vocab_size"}, **PIXELS),
        "conv2d layer_norm",
    ),
    Row(
        "ResNet",
        lambda: image("resnet", "ResNetForImageClassification", embedding_size=8, **STAGES, layer_type="basic"),
        "conv2d batch_norm relu",
    ),
    Row("ConvNeXt", lambda: image("convnext", "ConvNextForImageClassification", **STAGES, num_stages=2), "conv2d layer_norm"),
    Row(
        "Swin",
        lambda: image(
            "swin",
            "SwinForImageClassification",
            **PIXELS | {"patch_size": 2},
            embed_dim=8,
            depths=[1, 1],
            num_heads=[1, 2],
            window_size=2,
        ),
        "pad layer_norm",
    ),
    Row(
        "SegFormer",
        lambda: image(
            "segformer",
            "SegformerForImageClassification",
            num_encoder_blocks=2,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            sr_ratios=[2, 1],
            num_attention_heads=[1, 2],
            patch_sizes=[3, 3],
            strides=[2, 2],
            mlp_ratios=[1, 1],
        ),
        "conv2d layer_norm",
    ),
    Row(
        "MobileNet",
        lambda: image("mobilenet_v2", "MobileNetV2ForImageClassification", size=32, depth_multiplier=0.2, image_size=32),
        "conv2d batch_norm",
    ),
    Row("DETR", detr, "conv2d layer_norm"),
    Row("CLIP", clip, "conv2d embedding"),
    Row("Whisper", whisper, "conv1d linear layer_norm"),
    Row("Wav2Vec2", wav2vec, "conv1d ctc_loss"),
]


@pytest.mark.filterwarnings("ignore::Warning")
@rows(TABLE)
def test_same_bits(harmless, row):
    recording = harmless(row.program, row.ops)
    last = recording[len(recording) - 1]
    wrong = [(last.graph.ops[verdict.op].name, verdict.rows) for verdict in check_step(last).wrong]
    assert wrong == [], "right ops are accused by the reference"
