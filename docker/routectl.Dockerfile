# ipconfig, the exporter, the CLI and the demo instance: one program. From the project's directory:
#   docker build -f docker/routectl.Dockerfile -t routectl .
ARG NODE_IMAGE=node:22-bookworm-slim

# As far as the build the same as in router.Dockerfile: what one has built is in the cache for the other.
FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY tsconfig.json ./
COPY cli cli
COPY lua lua
RUN npm run --silent build
RUN chmod 755 dist/node/cli/main.js && npm prune --omit=dev --no-audit --no-fund --ignore-scripts

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="routectl" \
      org.opencontainers.image.description="ipconfig, the exporter and the CLI of routectl" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /opt/routectl
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist/node dist/node
COPY docker/healthcheck /usr/local/bin/
RUN ln -s /opt/routectl/dist/node/cli/main.js /usr/local/bin/routectl
USER 10001
EXPOSE 9146 9147
ENTRYPOINT ["routectl"]
CMD ["--help"]
