"""Commands of auditors and of those who keep or erase data."""
