# Built in one image and installed in another: the runtime has no compiler, no checkout and no root.
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir 'uv>=0.9,<1'
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /build
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY src ./src
COPY templates ./templates
COPY migrations ./migrations
RUN uv build --wheel --out-dir /wheels \
 && uv export --frozen --no-dev --no-emit-project --output-file /wheels/locked.txt \
 && uv venv /srv/venv \
 && uv pip install --python /srv/venv/bin/python --require-hashes -r /wheels/locked.txt \
 && uv pip install --python /srv/venv/bin/python --no-deps /wheels/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /srv --shell /usr/sbin/nologin digest \
 && mkdir -m 700 /srv/var && chown digest /srv/var
COPY --from=build /srv/venv /srv/venv
COPY web.py worker.py /srv/
ENV PATH=/srv/venv/bin:$PATH PYTHONUNBUFFERED=1 DIGEST_HOME=/srv/var
WORKDIR /srv
USER digest
VOLUME /srv/var
EXPOSE 8000
CMD ["gunicorn", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8", "--access-logfile", "-", "web:app"]
