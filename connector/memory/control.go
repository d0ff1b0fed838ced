package memory

// What a test can do to a store.

// Hold stops acknowledging writes to a stream: they wait, and nothing of them is stored,
// until Ack or Free.
func (s *Store) Hold(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[name].holding = true
}

// Held is the number of writes that wait.
func (s *Store) Held(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams[name].held)
}

// Land stores the oldest n writes that wait, without telling who wrote: an
// acknowledgement that is lost if the writer dies now.
func (s *Store) Land(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	for _, w := range st.held[:min(n, len(st.held))] {
		s.store(st, w)
	}
}

// Ack stores and acknowledges the oldest n writes that wait.
func (s *Store) Ack(name string, n int) {
	s.mu.Lock()
	st := s.streams[name]
	n = min(n, len(st.held))
	ws := st.held[:n:n]
	st.held = st.held[n:]
	for _, w := range ws {
		s.store(st, w)
	}
	s.signal()
	s.mu.Unlock()
	for _, w := range ws {
		w.done(nil)
	}
}

// Free acknowledges everything that waits and what comes.
func (s *Store) Free(name string) {
	s.mu.Lock()
	st := s.streams[name]
	st.holding = false
	n := len(st.held)
	s.mu.Unlock()
	s.Ack(name, n)
}

// Refuse has every write to a stream fail, nil lets them through again.
func (s *Store) Refuse(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[name].refuse = err
}

// Limit has a stream refuse records with larger values for good.
func (s *Store) Limit(name string, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[name].limit = bytes
}

// RefuseCommits has every commit of a group fail, nil lets them through again.
func (s *Store) RefuseCommits(group string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[group].commitErr = err
}

// Lose takes every partition from every member of a group without asking, as after a
// session timeout, and shares them out again.
func (s *Store) Lose(group string) {
	g := s.group(group)
	defer g.move()()
	for _, m := range g.members {
		m.lose(m.all())
	}
	g.balance()
}

// Rebalance has every member of a group give up everything and shares it out again.
func (s *Store) Rebalance(group string) {
	g := s.group(group)
	defer g.move()()
	for _, m := range g.members {
		m.give(m.all())
	}
	g.balance()
}

func (s *Store) group(name string) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[name]
}
