"""The dashboards as data; `scripts.dashboards` draws them."""
