"""Planets around a star: bodies with vectors, leapfrog steps, and how far the energy drifts."""

import math


class Vec3:
    def __init__(self, x=0.0, y=0.0, z=0.0):
        self.x = x
        self.y = y
        self.z = z

    def __add__(self, other):
        return Vec3(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other):
        return Vec3(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, k):
        return Vec3(self.x * k, self.y * k, self.z * k)

    __rmul__ = __mul__

    def __truediv__(self, k):
        return self * (1.0 / k)

    def __neg__(self):
        return Vec3(-self.x, -self.y, -self.z)

    def __iter__(self):
        return iter((self.x, self.y, self.z))

    def dot(self, other):
        return sum(a * b for a, b in zip(self, other))

    @property
    def norm(self):
        return math.sqrt(self.dot(self))

    def __repr__(self):
        return f"Vec3({self.x}, {self.y}, {self.z})"


class Body:
    def __init__(self, name, mass, position, velocity=None):
        if mass <= 0:
            raise ValueError(f"{name} needs a positive mass, not {mass}")
        self.name = name
        self.mass = mass
        self.position = position
        self.velocity = velocity if velocity is not None else Vec3()
        self.force = Vec3()

    @property
    def kinetic_energy(self):
        return 0.5 * self.mass * self.velocity.dot(self.velocity)

    def kick(self, dt):
        self.velocity += self.force * (dt / self.mass)

    def drift(self, dt):
        self.position += self.velocity * dt


class System:
    G = 1.0

    def __init__(self, bodies, softening=0.0):
        self.bodies = bodies
        self.softening = softening
        self.time = 0.0

    def pairs(self):
        return [(a, b) for i, a in enumerate(self.bodies) for b in self.bodies[i + 1 :]]

    def update_forces(self):
        for body in self.bodies:
            body.force = Vec3()
        for a, b in self.pairs():
            r = b.position - a.position
            d = math.sqrt(r.dot(r) + self.softening**2)
            f = r * (self.G * a.mass * b.mass / d**3)
            a.force += f
            b.force = b.force - f

    @property
    def energy(self):
        kinetic = sum(b.kinetic_energy for b in self.bodies)
        potential = sum(-self.G * a.mass * b.mass / (b.position - a.position).norm for a, b in self.pairs())
        return kinetic + potential

    def step(self, dt):
        for body in self.bodies:
            body.kick(dt / 2)
            body.drift(dt)
        self.update_forces()
        for body in self.bodies:
            body.kick(dt / 2)
        self.time += dt

    def run(self, t_end, dt=0.01):
        self.update_forces()
        closest = None
        while self.time < t_end - 1e-9:
            self.step(dt)
            for a, b in self.pairs():
                d = (a.position - b.position).norm
                if closest is None or d < closest:
                    closest = d
        return closest


def solar_system(planet_mass, speed):
    star = Body("star", 1.0, Vec3())
    planet = Body("planet", planet_mass, Vec3(1.0), Vec3(0.0, speed, 0.1))
    moon = Body("comet", 1e-3, Vec3(0.0, -2.0, 0.3), velocity=Vec3(0.6))
    return System([star, planet, moon], softening=1e-3)


def mission(planet_mass, speed, t_end=0.5):
    """Where the planet is, how near anything came to anything, and the drift of the energy."""
    system = solar_system(planet_mass, speed)
    before = system.energy
    closest = system.run(t_end, dt=0.02)
    x, y, z = system.bodies[1].position
    return x + 2.0 * y + 0.5 * z + closest, system.energy - before
