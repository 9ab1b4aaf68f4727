# syntax=docker/dockerfile:1

# OpenSSL, curl, libgit2, libssh2 and zlib are built from their crates' sources: OpenSSL wants make and perl, all want the
# C compiler that this image has. Debian's release is that of the last stage, for the sake of glibc.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends make perl \
    && rm -rf /var/lib/apt/lists/*
ENV LIBZ_SYS_STATIC=1
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin gitops-sync \
    && install -D target/release/gitops-sync /out/gitops-sync

# The programs that render, at the versions with which they are tested. Helm is told which Kubernetes it renders for
# when nobody says: left alone, it takes every cluster for 1.20.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS tools
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY tests/controlplane .
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    version() { go list -m -f '{{.Version}}' "$1"; } \
    && helm=helm.sh/helm/v3 \
    && minor=$(version k8s.io/client-go | cut -d. -f2) \
    && mkdir /out \
    && CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w \
        -X $helm/internal/version.version=$(version $helm) \
        -X $helm/pkg/chartutil.k8sVersionMajor=1 -X $helm/pkg/chartutil.k8sVersionMinor=$minor" \
        -o /out/ sigs.k8s.io/kustomize/kustomize/v5 helm.sh/helm/v3/cmd/helm github.com/getsops/sops/v3/cmd/sops

# glibc, libgcc and CA certificates; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="gitops-sync"
LABEL org.opencontainers.image.description="An in-cluster, pull-based GitOps reconcile daemon for Kubernetes"
LABEL org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/gitops-sync /usr/local/bin/
COPY --from=tools /out/kustomize /out/helm /out/sops /usr/local/bin/
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["gitops-sync"]
CMD ["run"]
