// Package geo holds types of another package than the steps.
package geo

// Point is a place on the map.
type Point struct {
	Lat float64 `json:"lat"` // degrees
	Lon float64 `json:"lon"`
}
