// Command loge is the identity provider with all the plugins that are shipped
// with it. To add your own, copy this file and assign to the maps of
// standard.Plugins.
package main

import (
	"os"

	"github.com/loge-idp/loge/pkg/cli"
	"github.com/loge-idp/loge/providers/standard"
)

func main() { os.Exit(cli.Main(standard.Plugins())) }
