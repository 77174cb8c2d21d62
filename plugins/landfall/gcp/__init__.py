"""Google Cloud: one small file per service, thin over the provider's hooks."""
