# Turnout as a small image: the locked dependencies and the package, no compiler, no uv, not root.
# docker build -t turnout . && docker run -p 8080:8080 -e TURNOUT_API_KEYS=... turnout

FROM python:3.11-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/turnout
RUN pip install --no-cache-dir "uv>=0.13,<1"
WORKDIR /src
# Extras to include, for example --build-arg EXTRAS="--extra otel --extra embedded".
ARG EXTRAS=""
# The dependencies first: they change less often than the code, so their layer is reused.
COPY pyproject.toml uv.lock ./
# hadolint ignore=SC2086
RUN uv sync --frozen --no-dev --group build --no-install-project $EXTRAS
COPY README.md LICENSE ./
COPY router router
COPY policies policies
# The build backend comes from the lock, builds the package, and goes again.
# hadolint ignore=SC2086
RUN uv sync --frozen --no-dev --group build --no-editable --no-build-isolation-package turnout $EXTRAS \
    && uv sync --frozen --no-dev --no-editable --no-build-isolation-package turnout $EXTRAS

FROM python:3.11-slim-bookworm
# A volume mounted at /var/lib/turnout, for keys, journal and beliefs, begins as the user's own.
# One at /var/lib/turnout-metrics takes the key that Prometheus reads.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin turnout \
    && install -d -o turnout -m 700 /var/lib/turnout \
    && install -d -o turnout -m 755 /var/lib/turnout-metrics
COPY --from=build /opt/turnout /opt/turnout
ENV PATH=/opt/turnout/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Nothing is written, so the container may run with --read-only. A policies folder mounted here is used.
WORKDIR /etc/turnout
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/healthz' % os.environ.get('TURNOUT_PORT', '8080'), timeout=2)"]
ENTRYPOINT ["turnout"]
CMD ["serve", "--host", "0.0.0.0"]
