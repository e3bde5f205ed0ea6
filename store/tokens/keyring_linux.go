package tokens

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// noKeyring returns a short reason why there cannot be a keyring here, or "". Without this
// check the library would start a D-Bus session of its own, without a keyring in it.
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

// stillLocked reports whether the keyring is still locked, without causing a password
// prompt. It checks the collection that the library would use.
func stillLocked(time.Time) bool {
	bus, err := dbus.SessionBus()
	if err != nil {
		return false
	}
	for _, collection := range []dbus.ObjectPath{"/org/freedesktop/secrets/collection/login", "/org/freedesktop/secrets/aliases/default"} {
		locked, err := bus.Object("org.freedesktop.secrets", collection).GetProperty("org.freedesktop.Secret.Collection.Locked")
		if is, ok := locked.Value().(bool); err == nil && ok {
			return is
		}
	}
	return false
}

// newKeyringFault turns an error of the keyring into a reason for a person.
func newKeyringFault(err error) *keyringFault {
	fault := &keyringFault{why: "it answers with a fault", cause: err}
	var answer dbus.Error
	isDBus := errors.As(err, &answer)
	is := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(answer.Name, "."+name) })
	}
	switch {
	case strings.Contains(err.Error(), "failed to unlock"), is("IsLocked"):
		fault.why, fault.refusedAt = "it is locked", time.Now()
	case !isDBus:
		fault.why = "its D-Bus session does not answer as it should"
	case is("ServiceUnknown") || strings.Contains(answer.Name, ".Spawn."):
		fault.why = "no program in this D-Bus session keeps one (org.freedesktop.secrets)"
	case is("NoReply", "Timeout"):
		fault.why = "it does not answer"
	case is("NoSuchObject", "UnknownObject", "UnknownMethod"):
		fault.why = "it has no collection to keep a key in"
	}
	return fault
}
