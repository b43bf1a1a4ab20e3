"""Self-contained HTML pages: pictures are embedded as data URLs, and there are no scripts and no links."""
