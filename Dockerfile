# The program with a nats-server beside it, for one container with one volume.
#   docker build -t sequence-triggers .
#   docker run -p 8080:8080 -v sequence-triggers:/data -e API_TOKENS=default=change-me sequence-triggers

FROM node:lts-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY src/cli/setup.mjs ./src/cli/setup.mjs
RUN node src/cli/setup.mjs --no-build
COPY tsconfig.json ./
COPY src ./src
RUN node src/cli/setup.mjs && npm prune --omit=dev

FROM node:lts-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates nats-server \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node /data
WORKDIR /app
COPY package.json package-lock.json ./
COPY config ./config
# The npm scripts (`npm run tokens -- create`) start with it; here it finds nothing to do.
COPY src/cli/setup.mjs ./src/cli/setup.mjs
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# Name look-ups that hang take threads of the pool that LMDB commits on, so it has room for both.
ENV UV_THREADPOOL_SIZE=16
ENV NODE_ENV=production HTTP_HOST=0.0.0.0 HTTP_PORT=8080 DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.HTTP_PORT + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/main.js"]
