# Built in one image and installed in another: the runtime has no compiler, no checkout and no root.
FROM python:3.13.9-slim-trixie AS build
RUN pip install --no-cache-dir 'uv>=0.9,<1'
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /build
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY src ./src
COPY templates ./templates
COPY migrations ./migrations
RUN uv build --wheel --out-dir /wheels \
 && uv export --frozen --no-dev --no-emit-project --output-file /wheels/requirements.txt \
 && uv venv /opt/digest \
 && uv pip install --python /opt/digest/bin/python --require-hashes -r /wheels/requirements.txt \
 && uv pip install --python /opt/digest/bin/python --no-deps /wheels/*.whl

FROM python:3.13.9-slim-trixie
# A group of its own number too, so that Kubernetes can hand it a volume (fsGroup).
RUN groupadd --system --gid 10001 digest \
 && useradd --system --uid 10001 --gid digest --home-dir /var/lib/digest --shell /usr/sbin/nologin digest \
 && install -d -m 700 -o digest -g digest /var/lib/digest /srv/backups
COPY --from=build /opt/digest /opt/digest
ENV PATH=/opt/digest/bin:$PATH PYTHONUNBUFFERED=1 DIGEST_HOME=/var/lib/digest
WORKDIR /var/lib/digest
USER digest
VOLUME /var/lib/digest
EXPOSE 8000
CMD ["digest", "web", "--host", "0.0.0.0"]
