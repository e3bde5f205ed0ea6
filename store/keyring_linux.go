package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/godbus/dbus/v5"
)

// noKeyring says in a few words why there cannot be a keyring here, or is "". The
// library would start a D-Bus session of its own, in which there is none either.
func noKeyring() string {
	runtime := fmt.Sprintf("/run/user/%d", os.Getuid())
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" ||
		exists(filepath.Join(runtime, "bus")) || exists(filepath.Join(runtime, "dbus-session")) {
		return ""
	}
	return "there is no D-Bus session here (DBUS_SESSION_BUS_ADDRESS is not set)"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// whyRefused says in a few words what a person can know of a fault.
func whyRefused(err error) string {
	var answer dbus.Error
	switch {
	case strings.Contains(err.Error(), "failed to unlock"):
		return "it is locked"
	case !errors.As(err, &answer):
		return "its D-Bus session does not answer as it should"
	case strings.HasSuffix(answer.Name, ".ServiceUnknown") || strings.Contains(answer.Name, ".Spawn."):
		return "no program in this D-Bus session keeps one (org.freedesktop.secrets)"
	case strings.HasSuffix(answer.Name, ".IsLocked"):
		return "it is locked"
	case strings.HasSuffix(answer.Name, ".NoReply") || strings.HasSuffix(answer.Name, ".Timeout"):
		return "it does not answer"
	case strings.HasSuffix(answer.Name, ".NoSuchObject") || strings.HasSuffix(answer.Name, ".UnknownObject") || strings.HasSuffix(answer.Name, ".UnknownMethod"):
		return "it has no collection to keep a key in"
	default:
		return "it answers with a fault"
	}
}
