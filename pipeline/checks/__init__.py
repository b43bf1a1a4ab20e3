"""What a cluster must have before a run can succeed, checked from what kubectl says of it."""
