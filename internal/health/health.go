// Package health tells whoever supervises the process whether it lives and is ready:
// over HTTP, and by the time of a file. What that means is told to it; it knows no
// pipeline.
package health

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Probe answers a question: nil is yes, an error is why not. It must not wait.
type Probe func() error

// Server answers /livez and /readyz.
type Server struct {
	http *http.Server
	ln   net.Listener
	done chan struct{}
}

// The server answers small questions of few clients. What asks for more is cut off: a
// client that sends a byte each second must not keep a connection, nor many of them the
// process's file descriptors.
const (
	patience    = 5 * time.Second
	idle        = 30 * time.Second
	maxHeader   = 8 << 10
	maxConns    = 64
	closeBudget = time.Second
)

// Listen serves the probes at addr. Where other machines may ask (exposed), any address
// of this one is a good Host; a name is never one but localhost, since a page in a
// browser could have its own name lead here.
func Listen(addr string, exposed bool, live, ready Probe) (*Server, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", answer(live))
	mux.HandleFunc("/readyz", answer(ready))
	s := &Server{
		http: &http.Server{
			Handler:           guard(exposed, mux),
			ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: idle,
			MaxHeaderBytes: maxHeader,
			ErrorLog:       log.New(io.Discard, "", 0), // what a client does wrong is its own affair
		},
		ln:   &limited{Listener: ln, free: make(chan struct{}, maxConns)},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(s.ln) // it ends with Close, with an error that says so
	}()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Close ends the server; what is being answered is answered.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeBudget)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.done
	return err
}

// guard lets through what a supervisor asks.
func guard(exposed bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		switch {
		case !goodHost(r.Host, exposed):
			say(w, http.StatusForbidden, "expected the address of this machine as Host")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			say(w, http.StatusMethodNotAllowed, "expected GET or HEAD")
		case r.URL.Path != "/livez" && r.URL.Path != "/readyz":
			say(w, http.StatusNotFound, "expected /livez or /readyz")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func goodHost(host string, exposed bool) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && (exposed || ip.IsLoopback())
}

func answer(p Probe) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := p(); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	}
}

// say writes one line.
func say(w http.ResponseWriter, code int, text string) {
	w.WriteHeader(code)
	_, _ = io.WriteString(w, strings.Join(strings.Fields(text), " ")+"\n") // a client that has gone needs no answer
}

// limited closes connections beyond as many as may be open.
type limited struct {
	net.Listener
	free chan struct{} // holds a token per open connection
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			return &counted{Conn: c, free: l.free}, nil
		default:
			_ = c.Close() // there is nothing to be said to it
		}
	}
}

type counted struct {
	net.Conn
	once sync.Once
	free chan struct{}
}

func (c *counted) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}
