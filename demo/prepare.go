package main

import (
	"context"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
)

// prepare does in advance what OpenCode does at its first start: it installs a package. The
// first demo in a clone installs it once for all later ones, through the person's npm
// settings, such as a proxy or a registry. If that fails, OpenCode tries it at each start,
// and works without it.
func (c *computer) prepare(ctx context.Context, template string) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	defer c.say.wait("OpenCode installs @opencode-ai/plugin, once a clone")()
	environ := append(c.Environ, "npm_config_fetch_retries=0")
	c.Environ = slices.Concat(environ, opencode.NPMSettings())
	err := c.Prepare(ctx, template)
	c.Environ = environ
	if ctx.Err() == nil && err != nil {
		c.say.remark("OpenCode could not install its own @opencode-ai/plugin, and goes on without.")
		return nil
	}
	return err
}
