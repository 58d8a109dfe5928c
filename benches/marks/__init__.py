"""The marks of performance, measured side by side: each with what it is compared to, in the same run."""
