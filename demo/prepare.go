package main

import (
	"context"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
)

// prepare spares the computer what OpenCode does at a first start. The very first
// time in a clone it is done for all that follow, which takes a while, and as npm
// does it for the person: through their proxy, from their registry. Where it cannot
// be done, OpenCode tries it at each start, and does without.
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
