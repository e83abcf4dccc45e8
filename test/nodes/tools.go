//go:build tools

// The programs that tools/nodes.sh builds: their versions are those of go.mod,
// what they are made of is sealed by go.sum.
package tools

import (
	_ "github.com/btcsuite/btcd"
	_ "github.com/btcsuite/btcd/cmd/btcctl"
	_ "github.com/lightningnetwork/lnd/cmd/lncli"
	_ "github.com/lightningnetwork/lnd/cmd/lnd"
)
