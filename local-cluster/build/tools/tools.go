//go:build tools

// Package tools pins the programs around the cluster, so that go.mod and go.sum name their exact sources.
package tools

import (
	_ "helm.sh/helm/v4/cmd/helm"
	_ "sigs.k8s.io/kind"
)
