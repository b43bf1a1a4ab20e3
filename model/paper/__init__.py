"""The source paper's model: a region-conditional DCGAN with a full-image discriminator."""
