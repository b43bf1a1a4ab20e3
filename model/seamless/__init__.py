"""The model whose tiles join without a seam."""
