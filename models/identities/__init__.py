"""What has to hold if the numbers shown are the model's own."""
