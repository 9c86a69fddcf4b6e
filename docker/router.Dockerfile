# The router: nginx with the Lua module, the bundle and its configuration. From the project's directory:
#   docker build -f docker/router.Dockerfile -t routectl-router .
# On OpenResty: --build-arg ROUTER_BASE=openresty/openresty:bookworm
ARG NODE_IMAGE=node:22-bookworm-slim
ARG ROUTER_BASE=debian:bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY tsconfig.json ./
COPY cli cli
COPY lua lua
RUN npm run --silent build
COPY nginx nginx
COPY docker/router docker/router
RUN node docker/router/write-configuration.mjs /etc/nginx /out

FROM ${ROUTER_BASE}
LABEL org.opencontainers.image.title="routectl router" \
      org.opencontainers.image.description="nginx that routes by the lists of ipconfig" \
      org.opencontainers.image.licenses="MIT"
# OpenResty brings its own nginx, which needs no modules to be loaded.
RUN set -eu; \
    if ! command -v openresty > /dev/null; then \
        apt-get update; \
        apt-get install -y --no-install-recommends nginx libnginx-mod-http-lua lua-resty-core lua-cjson; \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/* /etc/nginx /var/log/nginx; \
    fi; \
    useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin routectl; \
    install -d -o routectl -g routectl /run/routectl /var/lib/routectl
COPY --from=build /out/ /etc/nginx/
RUN if command -v openresty > /dev/null; then : > /etc/nginx/modules.conf; fi
COPY docker/healthcheck docker/router/entrypoint.sh /usr/local/bin/
USER 10001
# The last good list: with a volume here a router that starts with everything else dead serves at once.
VOLUME /var/lib/routectl
EXPOSE 8080 9145
ENTRYPOINT ["entrypoint.sh"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s CMD ["healthcheck", "9145", "/v1/status"]
