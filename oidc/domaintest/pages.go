package domaintest

import (
	"embed"
	"html/template"
	"net/http"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// A signInPage asks who a person is, and whether they allow what a client asks.
type signInPage struct {
	Client   string
	Query    string // the authorization request, to be sent back with the form
	UserName string
	Problem  string
}

// A devicePage asks for the user code, and once Client is known for the rest.
type devicePage struct {
	Client   string
	UserCode string
	UserName string
	Problem  string
}

// A messagePage tells something and asks nothing.
type messagePage struct{ Title, Text, ECID string }

func showSignIn(w http.ResponseWriter, page signInPage) { show(w, http.StatusOK, "signin.html", page) }

func showDevice(w http.ResponseWriter, page devicePage) { show(w, http.StatusOK, "device.html", page) }

func showMessage(w http.ResponseWriter, title, text string) {
	show(w, http.StatusOK, "message.html", messagePage{Title: title, Text: text})
}

// showDeadEnd shows the domain's own error page: the browser goes nowhere from it.
func showDeadEnd(w http.ResponseWriter, reason string) {
	show(w, http.StatusBadRequest, "message.html",
		messagePage{"Something went wrong", reason, w.Header().Get("X-ORACLE-DMS-ECID")})
}

// show answers with a page that loads nothing from elsewhere and is framed nowhere.
func show(w http.ResponseWriter, status int, name string, page any) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, name, page) // fails only when the browser is gone
}
