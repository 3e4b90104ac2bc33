"""LoRA fine-tuning of Whisper without a word about Ray: it runs in one process or in any torch.distributed group."""
