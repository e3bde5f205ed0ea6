package oidc

import "time"

// TellEnd reports whether the person must be told now that the session ends soon, and notes
// that they are told: see [tokens.End.Due]. If several processes ask, one is told true.
func (s *Session) TellEnd() (tell bool) {
	if !s.Status().EndDue || s.cache.gone(s.cache.get()) {
		return false
	}
	_ = s.cache.update(s.untilClose, nil, func(current cached, w *writer) error {
		if tell = current.End.Due(time.Now()); tell {
			current.End.Told = time.Now().UTC().Round(0)
			_ = w.save(current.Tokens) // if that fails, at least this process knows
		}
		return nil
	})
	return tell
}
