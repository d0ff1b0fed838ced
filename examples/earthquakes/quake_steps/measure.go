// Package quake_steps holds the step of the earthquake pipeline that is in Go.
package quake_steps

import (
	"math"
	"strconv"

	"github.com/levada-io/levada"
)

const earthRadiusKM = 6371.0088

// Quake is one event with its alert level.
type Quake struct {
	ID      string  `json:"id"`
	Level   string  `json:"level"`
	Mag     float64 `json:"mag"`
	Place   string  `json:"place"`
	Time    int64   `json:"time"` // milliseconds since 1970
	Lat     float64 `json:"lat"`
	Lon     float64 `json:"lon"`
	DepthKM float64 `json:"depth_km"`
}

// MeasuredQuake is a Quake with what Measure has computed.
type MeasuredQuake struct {
	Quake
	DistanceKM   float64 `json:"distance_km"`
	EnergyJoules float64 `json:"energy_joules"`
}

// Measure adds the great-circle distance to a point and the energy that a quake has
// radiated, log10 E = 4.8 + 1.5 M.
type Measure struct {
	Lat float64 `json:"lat"` // of the point, in degrees
	Lon float64 `json:"lon"`
}

// Apply measures one quake. Results are rounded, since the math libraries of two
// languages may differ in the last bit: the distance to meters, the energy to three
// decimals of its power of ten.
func (s Measure) Apply(msg levada.Message[Quake]) (MeasuredQuake, error) {
	quake := msg.Payload()
	lat, here := radians(quake.Lat), radians(s.Lat)
	a := square(math.Sin((lat - here) / 2))
	b := square(math.Sin(radians(quake.Lon-s.Lon) / 2))
	distance := 2 * earthRadiusKM * math.Asin(math.Sqrt(a+math.Cos(here)*math.Cos(lat)*b))
	energy := math.Pow(10, 4.8+1.5*quake.Mag)
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(energy, 'e', 3, 64), 64)
	return MeasuredQuake{
		Quake:        quake,
		DistanceKM:   math.RoundToEven(distance*1000) / 1000,
		EnergyJoules: rounded,
	}, err
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }

func square(x float64) float64 { return x * x }
