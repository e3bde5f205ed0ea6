package e2e

import "testing"

func asAnotherUser(t *testing.T) func(program string, args ...string) (output string, err error) {
	t.Skip("nobody can run a program as another user here without a password")
	return nil
}
