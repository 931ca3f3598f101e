"""Parts of a remote store on this machine: fetched once, shared by all processes, bounded in bytes."""
